"""swarmsim against other simulators: a round of 1,000 institutions, each in its own environment, in turn.

    python benchmarks/peers.py gossipy=PYTHON fluke=PYTHON flower=PYTHON

PYTHON is the interpreter of an environment in which that peer is installed (README.md in this folder says how); a peer
that is not named is left out. The model is the MLP 64-128-10, an institution has 64 examples and trains for one epoch
of batches of 32. One round of each is timed after another, five times, and the medians are compared.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from common import epochs, job, medians, shards
from peer import BATCH, INSTITUTIONS, LR, MARK

from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.models.mlp import Mlp
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.ray import RayHosts, disconnect

PEERS = {
    "gossipy": "gossipy-dfl, push gossip on a ring",
    "fluke": "fluke-fl, gossip on a directed ring",
    "flower": "Flower's simulation, federated averaging",
}
WANTED = 5.0  # times as fast as the fastest peer
SILENT = {"FLWR_TELEMETRY_ENABLED": "0", "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}


@contextmanager
def started(peer: str, python: str) -> Iterator[Callable[[], None]]:
    """A peer that has been made ready in its environment: a function that lets it go on for one round."""
    program = Path(__file__).with_name(f"peer_{peer}.py")
    process = subprocess.Popen(
        [python, str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | SILENT,
    )  # fmt: skip

    def reached() -> None:
        if not any(line.strip() == MARK for line in process.stdout):
            raise SystemExit(f"{peer} ended before its rounds were over; to see why, run {python} {program} by hand")

    def one_round() -> None:
        process.stdin.write("\n")
        process.stdin.flush()
        reached()

    try:
        reached()
        yield one_round
    finally:
        process.stdin.close()
        process.wait()


def ours(stack: ExitStack) -> dict[str, Callable[[], object]]:
    """The same work here: D-PSGD on a ring, packed in one process, and on two hosts."""
    method, held = Dpsgd(lr=LR, batch=BATCH, local_epochs=1), shards(INSTITUTIONS, 64, (64,))
    stack.callback(disconnect)
    works = {}
    for name, runtime, hosts in (("one process", Inline(), 1), ("2 hosts", RayHosts(2), 2)):
        stack.enter_context(runtime).start(job(method, Mlp(hidden=(128,)), held, hosts, packed=True))
        works[f"swarmsim, D-PSGD on a ring, {name}"] = epochs(runtime)
    return works


def main(chosen: dict[str, str]) -> None:
    """Time everything in turn; print each, and how many times as long as ours it takes."""
    with ExitStack() as stack:
        theirs = {PEERS[peer]: stack.enter_context(started(peer, python)) for peer, python in chosen.items()}
        works = ours(stack) | theirs
        taken = dict(zip(works, medians(list(works.values())), strict=True))
    one, two, *peers = taken.values()
    print(f"{'a round of 1,000 institutions':<48}          to one process  to 2 hosts")
    for name, seconds in taken.items():
        print(f"{name:<48} {seconds * 1e3:9.1f} ms {seconds / one:8.1f} {seconds / two:10.1f}")
    if peers:
        print(f"{'the fastest peer':<60} {min(peers) / one:8.1f} {min(peers) / two:10.1f}   at least {WANTED:.3g}")


if __name__ == "__main__":
    main(dict(argument.split("=", 1) for argument in sys.argv[1:]))
