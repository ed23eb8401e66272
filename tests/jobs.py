"""Small jobs for tests of methods: built by hand, without files, run by any runtime."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from swarmsim.models.mlp import Mlp
from swarmsim.models.point import Point
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.world import Job
from swarmsim.schedule.protocol import Protocol
from swarmsim.tasks.classification import Classification
from swarmsim.tasks.quadratic import Quadratic
from swarmsim.timetable import planned
from swarmsim.types import Block, Mixing, Part, Schedule, Shard

__all__ = ["blobs", "columns", "complete", "identity", "job", "mixing", "params", "quadratic", "ring", "run", "still"]


def mixing(matrix) -> Mixing:
    """The sparse form of a small dense matrix."""
    matrix = np.asarray(matrix, dtype=float)
    rows = [np.flatnonzero((row != 0) | (np.arange(len(row)) == i)) for i, row in enumerate(matrix)]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    weights = np.concatenate([matrix[i, row] for i, row in enumerate(rows)])
    return Mixing(len(matrix), starts, np.concatenate(rows), weights)


def ring(n: int) -> Mixing:
    eye = np.eye(n)
    return mixing((eye + np.roll(eye, 1, 0) + np.roll(eye, -1, 0)) / 3)


def complete(n: int) -> Mixing:
    return mixing(np.full((n, n), 1 / n))


def identity(n: int) -> Mixing:
    return mixing(np.eye(n))


def quadratic(targets) -> list[Shard]:
    """Institution i holds the one target a_i."""
    parts = [Part(np.zeros((1, 1), np.float32), np.array([[a]], dtype=float)) for a in targets]
    return [Shard(f"institution-{i}", part, part, part) for i, part in enumerate(parts)]


def blobs(sizes=(37, 21, 48), features: int = 6, classes: int = 3, seed: int = 0) -> list[Shard]:
    """Gaussian classes; the sizes leave ragged last batches."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(classes, features)) * 2

    def part(m: int) -> Part:
        y = rng.integers(classes, size=m)
        return Part((centres[y] + rng.normal(size=(m, features))).astype(np.float32), y)

    return [Shard(f"institution-{i}", part(m), part(8), part(12)) for i, m in enumerate(sizes)]


def still(mixing: Mixing | None) -> Schedule:
    """The schedule of rounds that are all alike."""
    return Schedule() if mixing is None else Schedule((mixing,))


def columns(shards) -> tuple[list[Shard], tuple[Block, ...]]:
    """The examples of some shards as vertical data: every institution holds other columns, the last one the labels."""
    n, parts = len(shards), {}
    for name in ("train", "validation", "test"):
        held = [getattr(shard, name) for shard in shards]
        parts[name] = Part(np.concatenate([part.x for part in held]), np.concatenate([part.y for part in held]))
    train, width = parts["train"], parts["train"].x.shape[1]
    ends = [width * (i + 1) // n for i in range(n)]
    blocks = tuple(Block(s.name, (b - a,)) for s, a, b in zip(shards, [0, *ends], ends, strict=False))
    nobody, unknown = Part(train.x[:0], train.y[:0]), np.zeros((len(train), 0), np.float32)
    made = []
    for i, (block, end) in enumerate(zip(blocks, ends, strict=True)):
        own = np.ascontiguousarray(train.x[:, end - block.size : end])
        if i == n - 1:
            made.append(Shard(block.name, Part(own, train.y), parts["validation"], parts["test"]))
        else:
            made.append(Shard(block.name, Part(own, unknown), nobody, nobody))
    return made, blocks


def job(
    algorithm, shards, model=None, task=None, mixing=None, rounds=5, seed=0, dtype="float64", packed=False, hosts=1,
    blocks=(), schedule=None,
):  # fmt: skip
    """A job for `hosts` hosts of institutions, and one more for the server where there is one."""
    n, kind = len(shards), type(algorithm)
    objective = shards[-1].train.y.ndim == 2
    servers = kind.servers(algorithm, n) if hasattr(kind, "servers") else ()
    train = [shard.train for shard in shards]
    pool = None
    if getattr(kind, "pools", False):
        pool = Part(np.concatenate([p.x for p in train]), np.concatenate([p.y for p in train]))
    schedule, names = schedule or still(mixing), tuple(shard.name for shard in shards)
    if isinstance(algorithm, Protocol) and not schedule.plans:
        schedule = planned(algorithm, schedule, names, [len(part) for part in train], rounds, seed)
    return Job(
        algorithm=algorithm, model=model or (Point() if objective else Mlp(hidden=(8, 5))),
        task=task or (Quadratic() if objective else Classification()),
        names=names, sizes=tuple(len(part) for part in train),
        example=shards[-1].test.x.shape[1:],
        outputs=train[0].y.shape[1] if objective else int(max(p.y.max() for p in train if p.y.size)) + 1,
        shards=dict(enumerate(shards)), tests=tuple(shard.test for shard in shards), external=None,
        pool=pool, schedule=schedule, servers=servers, blocks=blocks,
        label_holder=n - 1 if blocks else None,
        hosts={"institution": tuple(i * hosts // n for i in range(n)), "server": (hosts,) * len(servers)},
        rounds=rounds, seed=seed, dtype=dtype, device="cpu", packed=packed,
    )  # fmt: skip


def run(job: Job) -> SimpleNamespace:
    """The rounds, final models [n, d] and predictions of a job on the inline runtime."""
    with Inline() as runtime:
        runtime.start(job)
        rounds = runtime.advance(0, job.rounds)
        predictions, distances, _ = runtime.predict(job.rounds, (), not job.blocks)
        return SimpleNamespace(
            rounds=rounds, params=params(runtime.models()), predictions=predictions, distances=distances,
            parts=runtime.parts(), state=runtime.save(), models=runtime.models(),
        )  # fmt: skip


def params(models) -> np.ndarray:
    return np.stack([models[i]["params"].numpy() for i in sorted(models)])
