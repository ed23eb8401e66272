"""How much slower (or faster) swarmsim is than a bare PyTorch loop that does the same training.

    python benchmarks/speed.py [averaging] [many] [split] [tiny]

Every figure is a ratio within one run: the reference is timed between the measured runs, in this process, with one
thread, and the medians are compared. See README.md in this folder.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch

from swarmsim.algorithms.baseline.fedavg import Fedavg
from swarmsim.algorithms.split.vanilla import Vanilla
from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.models.cnn import Cnn
from swarmsim.models.mlp import Mlp
from swarmsim.rows import build
from swarmsim.runtime.driver import Inline, Runtime
from swarmsim.runtime.ray import RayHosts, disconnect
from swarmsim.runtime.world import Job
from swarmsim.tasks.classification import Classification
from swarmsim.topology.build import build as build_topology
from swarmsim.topology.ring import Ring
from swarmsim.types import Part, Shard

REPEATS = 5


def shards(n: int, size: int, shape: tuple[int, ...], classes: int = 10) -> dict[int, Shard]:
    """n institutions with `size` random examples each."""
    rng = np.random.default_rng(0)

    def part(m: int) -> Part:
        return Part(rng.normal(size=(m, *shape)).astype(np.float32), rng.integers(classes, size=m))

    return {i: Shard(f"institution-{i:04d}", part(size), part(0), part(1)) for i in range(n)}


def job(algorithm, model, held: dict[int, Shard], hosts: int, server_host: int, packed: bool = False) -> Job:
    n = len(held)
    kind = type(algorithm)
    servers = algorithm.servers(n) if hasattr(kind, "servers") else ()
    mixing = build_topology(Ring(), n, 0)[1] if getattr(kind, "mixes", False) else None
    return Job(
        algorithm=algorithm, model=model, task=Classification(), names=tuple(shard.name for shard in held.values()),
        sizes=tuple(len(shard.train) for shard in held.values()), example=held[0].train.x.shape[1:], outputs=10,
        shards=held, tests=tuple(shard.test for shard in held.values()), external=None, pool=None, mixing=mixing,
        servers=servers,
        hosts={"institution": tuple(i * hosts // n for i in range(n)), "server": (server_host,) * len(servers)},
        rounds=1000, seed=0, dtype="float32", device="cpu", packed=packed,
    )  # fmt: skip


def reference(model, held: dict[int, Shard], lr: float, batch: int) -> Callable[[], None]:
    """One epoch of SGD at every institution with its own copy of the model, then nothing: a bare PyTorch loop."""
    torch.set_num_threads(1)
    example = held[0].train.x.shape[1:]
    modules = [
        torch.nn.Sequential(
            *(module for _, module in build(lambda: model.stages(example, 10), 0, torch.float32).stages)
        )
        for _ in held
    ]
    data = [(torch.from_numpy(shard.train.x), torch.from_numpy(shard.train.y)) for shard in held.values()]
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


def compare(name: str, bound: float, runtime: Runtime, work: Job, bare: Callable[[], None], rounds: int = 1) -> None:
    """Time rounds of a job and of the reference in turn; print the ratio of the medians beside its bound."""
    runtime.start(work)
    runtime.advance(0, 2)
    bare()
    ours, theirs, t = [], [], 2
    for _ in range(REPEATS):
        ours.append(_timed(lambda: runtime.advance(t, t + rounds)) / rounds)  # noqa: B023
        theirs.append(_timed(bare))
        t += rounds
    mine, its = statistics.median(ours), statistics.median(theirs)
    print(
        f"{name:<52} {mine * 1e3:9.1f} ms {its * 1e3:9.1f} ms   ratio {mine / its:5.2f}   at most {bound:.3g}",
        flush=True,
    )


def averaging(hosts: RayHosts) -> None:
    """CNN, 8 institutions, 2 hosts: half the reference's time is the ideal."""
    model, held = Cnn(), shards(8, 160, (3, 32, 32))
    bare = reference(model, held, 0.01, 32)
    training = {"lr": 0.01, "batch": 32, "local_epochs": 1}
    for name, algorithm in (("fedavg", Fedavg(**training)), ("dpsgd, ring", Dpsgd(**training))):
        compare(f"cnn, 8 institutions, {name}, ray 2 hosts", 1.15 / 2, hosts, job(algorithm, model, held, 2, 2), bare)


def many(hosts: RayHosts) -> None:
    """1,000 small institutions, packed on 2 hosts."""
    model, held = Mlp(hidden=(128,)), shards(1000, 64, (64,))
    algorithm = Dpsgd(lr=0.05, batch=32, local_epochs=1)
    work = job(algorithm, model, held, 2, 2, packed=True)
    compare("mlp, 1,000 institutions, ring, ray 2 packed hosts", 0.5, hosts, work, reference(model, held, 0.05, 32))


def split(hosts: RayHosts) -> None:
    """Vanilla split learning of the CNN against the unsplit loop on the same batches."""
    model, held = Cnn(), shards(2, 320, (3, 32, 32))
    algorithm, bare = Vanilla(cut=1, lr=0.01, batch=32, local_epochs=1), reference(Cnn(), held, 0.01, 32)
    with Inline() as inline:
        compare("cnn, split at 1, one process", 1.05, inline, job(algorithm, model, held, 1, 0), bare)
    compare("cnn, split at 1, institutions and server apart", 1.35, hosts, job(algorithm, model, held, 2, 2), bare)


def tiny(hosts: RayHosts) -> None:
    """Batches a second of a tiny MLP, institutions and server in separate actors."""
    held = shards(2, 3200, (16,))
    hosts.start(job(Vanilla(cut=1, lr=0.01, batch=32, local_epochs=1), Mlp(hidden=(32,)), held, 2, 2))
    hosts.advance(0, 1)
    seconds = min(_timed(lambda t=t: hosts.advance(t, t + 1)) for t in range(1, 1 + REPEATS))
    print(f"{'tiny mlp, split, separate actors':<52} {200 / seconds:9.0f} batches a second   at least 500", flush=True)


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@contextmanager
def three_hosts() -> Iterator[RayHosts]:
    """Two hosts for institutions and one for a server, as actors."""
    with RayHosts(3) as hosts:
        yield hosts
    disconnect()


if __name__ == "__main__":
    chosen = sys.argv[1:] or ["averaging", "many", "split", "tiny"]
    parts = {"averaging": averaging, "many": many, "split": split, "tiny": tiny}
    with three_hosts() as started:
        for part in chosen:
            parts[part](started)
