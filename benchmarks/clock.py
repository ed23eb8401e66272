"""What the clock costs: simulated messages a second, and its share of a run that trains.

    python benchmarks/clock.py [the number of institutions, ...]

D-PSGD on a ring with the network of swarm.py (MLP 64-128-10, 64 examples an institution, two steps a round), packed in
one process. The clock simulates every message; programs of equal rounds are rehearsed once. See README.md in this
folder.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from types import SimpleNamespace

from common import job, shards

from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.clockwork import Clockwork
from swarmsim.models.mlp import Mlp
from swarmsim.runtime.driver import Inline

EXAMPLES, SHAPE, ROUNDS, SIZES = 64, (64,), 20, (10, 100, 1_000)


def measure(n: int) -> tuple[float, float, float]:
    """(seconds until the first round is simulated, seconds of a round on the clock, seconds of a round of training)."""
    work = job(Dpsgd(lr=0.05, batch=32, local_epochs=1), Mlp(hidden=(128,)), shards(n, EXAMPLES, SHAPE), 1, packed=True)
    work = dataclasses.replace(work, rounds=ROUNDS)
    began = time.perf_counter()
    clock = Clockwork(SimpleNamespace(pace=None, network=None), work, None, None).clock(work)
    clock.until(0)
    ready = time.perf_counter()
    clock.until(ROUNDS - 1)
    simulated = time.perf_counter()
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 2)
        warm = time.perf_counter()
        runtime.advance(2, ROUNDS)
        trained = time.perf_counter()
    return ready - began, (simulated - ready) / (ROUNDS - 1), (trained - warm) / (ROUNDS - 2)


def main(sizes: tuple[int, ...]) -> None:
    print(f"{'institutions':>12} {'ready':>8} {'clock':>12} {'messages/s':>12} {'training':>12} {'share':>7}")
    for n in sizes:
        ready, clock, training = measure(n)
        share = clock / (clock + training)
        figures = f"{clock * 1e3:>9.2f} ms {2 * n / clock:>12,.0f} {training * 1e3:>9.1f} ms {share:>7.2f}"
        print(f"{n:>12,} {ready:>6.2f} s {figures}")


if __name__ == "__main__":
    main(tuple(int(argument) for argument in sys.argv[1:]) or SIZES)
