"""What the benchmarks share: random examples, jobs, the bare PyTorch loop, and the clock."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch

from swarmsim.rows import build
from swarmsim.runtime.driver import Runtime
from swarmsim.runtime.world import Job
from swarmsim.tasks.classification import Classification
from swarmsim.topology.build import build as build_topology
from swarmsim.topology.ring import Ring
from swarmsim.types import Block, Part, Schedule, Shard

__all__ = ["CLASSES", "REPEATS", "Bare", "columns", "epochs", "job", "medians", "reference", "shards", "timed"]

CLASSES, REPEATS = 10, 5

Bare = Callable[[], None]


def shards(n: int, size: int, shape: tuple[int, ...]) -> dict[int, Shard]:
    """n institutions with `size` random examples each."""
    rng = np.random.default_rng(0)

    def part(m: int) -> Part:
        return Part(rng.normal(size=(m, *shape)).astype(np.float32), rng.integers(CLASSES, size=m))

    return {i: Shard(f"institution-{i:04d}", part(size), part(0), part(1)) for i in range(n)}


def columns(n: int, size: int, shape: tuple[int, ...]) -> tuple[dict[int, Shard], tuple[Block, ...]]:
    """The same `size` patients at n institutions, each of which has a block of its own; the last has the labels."""
    made = shards(n, size, (int(np.prod(shape)),))
    unknown = Part(np.zeros((0, n * int(np.prod(shape))), np.float32), np.zeros(0, int))
    test = Part(np.zeros((1, n * int(np.prod(shape))), np.float32), np.zeros(1, int))
    held = {}
    for i, shard in made.items():
        y = shard.train.y if i == n - 1 else np.zeros((size, 0), np.float32)
        held[i] = Shard(shard.name, Part(shard.train.x, y), unknown, test if i == n - 1 else unknown)
    return held, tuple(Block(shard.name, shape) for shard in held.values())


def job(
    algorithm, model, held: dict[int, Shard], hosts: int, server_hosts: int = 1, packed: bool = False,
    blocks: tuple[Block, ...] = (),
) -> Job:  # fmt: skip
    """The job of a method: institutions on hosts 0..hosts-1, its servers and their copies on those behind."""
    n, kind = len(held), type(algorithm)
    servers = algorithm.servers(n) if hasattr(kind, "servers") else ()
    nodes = len(servers) if hasattr(kind, "nodes") else n  # where servers mix, they are the ring
    mixings = (build_topology(Ring(), nodes, 0)[1],) if getattr(kind, "mixes", False) else ()
    return Job(
        algorithm=algorithm, model=model, task=Classification(), names=tuple(shard.name for shard in held.values()),
        sizes=tuple(len(shard.train) for shard in held.values()), example=held[n - 1].test.x.shape[1:], outputs=CLASSES,
        shards=held, tests=tuple(shard.test for shard in held.values()), external=None, pool=None,
        schedule=Schedule(mixings),
        servers=servers, blocks=blocks, label_holder=n - 1 if blocks else None,
        hosts={
            "institution": tuple(i * hosts // n for i in range(n)),
            "server": tuple(hosts + k % server_hosts for k in range(len(servers))),
        },
        rounds=1000, seed=0, dtype="float32", device="cpu", packed=packed,
    )  # fmt: skip


def reference(stages: Callable[[], list], parts: Sequence[Part], lr: float, batch: int) -> Bare:
    """One epoch of SGD over each of some parts with a model of its own, then nothing: a bare PyTorch loop."""
    torch.set_num_threads(1)
    modules = [torch.nn.Sequential(*(module for _, module in build(stages, 0, torch.float32).stages)) for _ in parts]
    data = [(torch.from_numpy(part.x), torch.from_numpy(part.y)) for part in parts]
    optimizers = [torch.optim.SGD(module.parameters(), lr=lr) for module in modules]

    def one_round() -> None:
        for module, optimizer, (x, y) in zip(modules, optimizers, data, strict=True):
            order = torch.randperm(len(y))
            for k in range(0, len(y), batch):
                index = order[k : k + batch]
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(module(x[index]), y[index]).backward()
                optimizer.step()

    return one_round


def epochs(runtime: Runtime) -> Callable[[], object]:
    """Work to be timed: another round of the job that a runtime has been given, of which one is over."""
    runtime.advance(0, 1)
    rounds = itertools.count(1)
    return lambda: runtime.advance(t := next(rounds), t + 1)


def medians(works: Sequence[Callable[[], object]]) -> list[float]:
    """The median seconds of each piece of work; all are timed in turn, so that a busy moment meets all alike."""
    for work in works:
        work()  # for once, untimed
    taken = [[timed(work) for work in works] for _ in range(REPEATS)]
    return [statistics.median(each) for each in zip(*taken, strict=True)]


def timed(work: Callable[[], object]) -> float:
    """Seconds that a piece of work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
