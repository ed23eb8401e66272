"""How much slower (or faster) swarmsim is than a bare PyTorch loop that does the same training.

    python benchmarks/speed.py [averaging] [many] [split] [tiny]

Every figure is a ratio within one run: the reference is timed between the measured runs, in this process, with one
thread, and the medians are compared. See README.md in this folder.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from common import CLASSES, REPEATS, Bare, epochs, job, medians, reference, shards, timed

from swarmsim.algorithms.baseline.fedavg import Fedavg
from swarmsim.algorithms.split.vanilla import Vanilla
from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.models.cnn import Cnn
from swarmsim.models.mlp import Mlp
from swarmsim.runtime.driver import Inline, Runtime
from swarmsim.runtime.ray import RayHosts, disconnect
from swarmsim.runtime.world import Job
from swarmsim.types import Shard


def bare_loop(model, held: dict[int, Shard], lr: float, batch: int) -> Bare:
    """An epoch at every institution with its own copy of the model."""
    example = held[0].train.x.shape[1:]
    return reference(lambda: model.stages(example, CLASSES), [shard.train for shard in held.values()], lr, batch)


def compare(name: str, bound: float, runtime: Runtime, work: Job, bare: Bare) -> None:
    """Time rounds of a job and of the reference in turn; print the ratio of the medians beside its bound."""
    runtime.start(work)
    mine, its = medians([epochs(runtime), bare])
    print(
        f"{name:<52} {mine * 1e3:9.1f} ms {its * 1e3:9.1f} ms   ratio {mine / its:5.2f}   at most {bound:.3g}",
        flush=True,
    )


def averaging(hosts: RayHosts) -> None:
    """CNN, 8 institutions, 2 hosts: half the reference's time is the ideal."""
    model, held = Cnn(), shards(8, 160, (3, 32, 32))
    bare = bare_loop(model, held, 0.01, 32)
    training = {"lr": 0.01, "batch": 32, "local_epochs": 1}
    for name, algorithm in (("fedavg", Fedavg(**training)), ("dpsgd, ring", Dpsgd(**training))):
        compare(f"cnn, 8 institutions, {name}, ray 2 hosts", 1.15 / 2, hosts, job(algorithm, model, held, 2), bare)


def many(hosts: RayHosts) -> None:
    """1,000 small institutions, packed on 2 hosts."""
    model, held = Mlp(hidden=(128,)), shards(1000, 64, (64,))
    work = job(Dpsgd(lr=0.05, batch=32, local_epochs=1), model, held, 2, packed=True)
    compare("mlp, 1,000 institutions, ring, ray 2 packed hosts", 0.5, hosts, work, bare_loop(model, held, 0.05, 32))


def split(hosts: RayHosts) -> None:
    """Vanilla split learning of the CNN against the unsplit loop on the same batches."""
    model, held = Cnn(), shards(2, 320, (3, 32, 32))
    algorithm, bare = Vanilla(cut=1, lr=0.01, batch=32, local_epochs=1), bare_loop(Cnn(), held, 0.01, 32)
    with Inline() as inline:
        compare("cnn, split at 1, one process", 1.05, inline, job(algorithm, model, held, 1), bare)
    compare("cnn, split at 1, institutions and server apart", 1.35, hosts, job(algorithm, model, held, 2), bare)


def tiny(hosts: RayHosts) -> None:
    """Batches a second of a tiny MLP, institutions and server in separate actors."""
    held = shards(2, 3200, (16,))
    hosts.start(job(Vanilla(cut=1, lr=0.01, batch=32, local_epochs=1), Mlp(hidden=(32,)), held, 2))
    epoch = epochs(hosts)
    seconds = min(timed(epoch) for _ in range(REPEATS))
    print(f"{'tiny mlp, split, separate actors':<52} {200 / seconds:9.0f} batches a second   at least 500", flush=True)


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
