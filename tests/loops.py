"""What plain torch needs for training loops beside the simulator: modules, batches and examples of a job."""

from __future__ import annotations

from dataclasses import replace

import torch

from swarmsim.local.batches import plan
from swarmsim.rng import seed_for, stream
from swarmsim.types import Part, Shard

__all__ = ["assert_rows", "batches", "emptied", "examples", "flat", "modules", "taken"]


def modules(work) -> list[torch.nn.Module]:
    """The model's stages in float64, as the job's seed initialises them."""
    torch.manual_seed(seed_for(work.seed, "init"))
    return [module.double().train() for _, module in work.model.stages(work.blocks or work.example, work.outputs)]


def batches(work, i: int, t: int) -> list:
    """Index arrays of the batches that institution i takes in round t."""
    method = work.algorithm
    drawn = stream(work.seed, "batches", t, i)
    return plan(work.sizes[i], method.batch, method.local_steps, method.local_epochs, drawn)


def examples(shard: Shard) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(shard.train.x).double(), torch.tensor(shard.train.y)


def taken(shards: list[Shard], indices) -> tuple[torch.Tensor, torch.Tensor]:
    """One batch of the chosen examples of several institutions, one institution behind the other."""
    pairs = [tuple(side[index] for side in examples(shard)) for shard, index in zip(shards, indices, strict=True)]
    xs, ys = zip(*pairs, strict=True)
    return torch.cat(xs), torch.cat(ys)


def emptied(shards: list[Shard], keep: list[int]) -> list[Shard]:
    """The same institutions, of whom only those in `keep` have training examples."""
    return [
        shard if i in keep else replace(shard, train=Part(shard.train.x[:0], shard.train.y[:0]))
        for i, shard in enumerate(shards)
    ]


def flat(parts: list[torch.nn.Module]) -> torch.Tensor:
    """The parameters of modules as one row."""
    return torch.cat([p.detach().flatten() for module in parts for p in module.parameters()])


def assert_rows(rows, expected: torch.Tensor, tolerance: float = 1e-12) -> None:
    """Rows [d] that agree, and are no NaN."""
    assert (torch.as_tensor(rows) - expected).abs().max() < tolerance
