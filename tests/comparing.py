"""Whether two runs are the same, bit for bit or nearly."""

from __future__ import annotations

import hashlib
from collections import Counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from swarmsim.trees import flatten

__all__ = ["assert_close", "assert_same", "bytes_of", "digest", "outcome", "same_bits", "within"]


def outcome(runtime: Any, job: Any, pooled: tuple[int, ...] = (0, 1, 2)) -> SimpleNamespace:
    """All that a job gives on a runtime."""
    runtime.start(job)
    return ended(runtime, job, runtime.advance(0, job.rounds), pooled)


def ended(runtime: Any, job: Any, rounds: list, pooled: tuple[int, ...] = (0, 1, 2)) -> SimpleNamespace:
    """What a runtime holds behind its last round."""
    evaluation = runtime.predict(job.rounds, pooled, not job.blocks)
    return SimpleNamespace(
        rounds=rounds, models=runtime.models(), predictions=evaluation.outputs, distances=evaluation.distances,
        evaluation=evaluation.traffic, parts=runtime.parts(), state=runtime.save(),
    )  # fmt: skip


def same_bits(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.numpy().tobytes() == b.numpy().tobytes()


def assert_same(a: SimpleNamespace, b: SimpleNamespace, rounds: bool = True) -> None:
    """The same bits of models, parts, state, losses, messages, merges, predictions and distances."""
    if rounds:
        assert [_round(each) for each in a.rounds] == [_round(each) for each in b.rounds]
    for name in ("models", "parts", "state"):
        _same_trees(getattr(a, name), getattr(b, name))
    assert a.predictions.keys() == b.predictions.keys()
    assert all(a.predictions[key].tobytes() == b.predictions[key].tobytes() for key in a.predictions)
    assert a.distances == b.distances
    assert a.evaluation == b.evaluation


def assert_close(a: SimpleNamespace, b: SimpleNamespace, tolerance: float) -> None:
    """Models and predictions within a tolerance, losses too; messages and merges exactly."""
    assert within(a.models, b.models, tolerance)
    assert all(np.abs(a.predictions[key] - b.predictions[key]).max() <= tolerance for key in a.predictions)
    for one, other in zip(a.rounds, b.rounds, strict=True):
        assert (one.traffic, one.merges) == (other.traffic, other.merges)
        assert list(one.losses) == list(other.losses)
        assert max(abs(one.losses[who] - other.losses[who]) for who in one.losses) <= tolerance


def within(a: dict[int, dict], b: dict[int, dict], tolerance: float = 0.0) -> bool:
    """Whether two sets of models differ by at most `tolerance` (0: the same bits)."""
    assert a.keys() == b.keys()
    pairs = [(a[i][kind], b[i][kind]) for i in a for kind in a[i]]
    assert pairs
    if not tolerance:
        return all(same_bits(one, other) for one, other in pairs)
    return all(torch.allclose(one, other, rtol=0, atol=tolerance) for one, other in pairs)


def bytes_of(rounds: list, **wanted: Any) -> int:
    """Bytes in the ledgers of some rounds, of lines whose fields are as wanted."""
    return sum(
        line.bytes for line in _lines(rounds) if all(getattr(line, key) == value for key, value in wanted.items())
    )


def kinds(rounds: list) -> Counter:
    """Bytes in the ledgers of some rounds by kind."""
    found = Counter()
    for line in _lines(rounds):
        found[line.kind] += line.bytes
    return found


def digest(tree: Any) -> str:
    """A hash of a tree's structure and bits."""
    structure, tensors = flatten(tree)
    whole = hashlib.sha256(repr(structure).encode())
    for tensor in tensors:
        whole.update(repr((tensor.dtype, tensor.shape)).encode() + tensor.detach().contiguous().numpy().tobytes())
    return whole.hexdigest()


def _lines(rounds: list) -> list:
    return [line for each in rounds for line in each.traffic]


def _round(each: Any) -> tuple:
    return each.round, list(each.losses.items()), each.traffic, each.merges


def _same_trees(a: Any, b: Any) -> None:
    assert a.keys() == b.keys()
    assert all(digest(a[key]) == digest(b[key]) for key in a)
