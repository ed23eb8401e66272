"""Rounds of D-PSGD with 100, 1,000 and 10,000 institutions: seconds a round, peak memory, and how both grow.

    python benchmarks/swarm.py [mlp] [logistic] [ring] [random] [one] [two] [the number of institutions, ...]

Every institution has 64 examples and takes two steps of 32 between two exchanges, in float32; all are packed in one
process, or on two hosts that are actors. Each case has a fresh process, so that its memory is its own. Growth is the
time of ten times as many institutions, divided by ten times the time: 1 is linear. See README.md in this folder.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
import sys
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

from common import epochs, job, medians, shards

from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.models.logistic import Logistic
from swarmsim.models.mlp import Mlp
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.ray import RayHosts, disconnect
from swarmsim.topology.build import build as build_topology
from swarmsim.topology.random_regular import RandomRegular
from swarmsim.topology.ring import Ring
from swarmsim.types import Schedule

EXAMPLES, SHAPE = 64, (64,)
MODELS = {"mlp": Mlp(hidden=(128,)), "logistic": Logistic()}
TOPOLOGIES = {"ring": Ring(), "random": RandomRegular(degree=4)}
RUNTIMES = {"one": "one process", "two": "2 hosts"}
SIZES = (100, 1_000, 10_000)


class Case(NamedTuple):
    """What is measured in one process."""

    model: str
    topology: str
    runtime: str
    n: int


def measure(case: Case) -> tuple[float, int]:
    """(seconds a round, peak bytes of all processes that compute)."""
    hosts = 1 if case.runtime == "one" else 2
    method = Dpsgd(lr=0.05, batch=32, local_epochs=1)
    work = job(method, MODELS[case.model], shards(case.n, EXAMPLES, SHAPE), hosts, packed=True)
    mixing = build_topology(TOPOLOGIES[case.topology], case.n, 0)[1]
    with Inline() if hosts == 1 else RayHosts(hosts) as runtime:
        runtime.start(dataclasses.replace(work, schedule=Schedule((mixing,))))
        (seconds,) = medians([epochs(runtime)])
        peak = sum(peak_bytes(process) for process in computing(hosts))
    disconnect()
    return seconds, peak


def computing(hosts: int) -> list[Path]:
    """This process, or those below it that are actors."""
    if hosts == 1:
        return [Path("/proc/self")]
    return [
        process for process in below(Path("/proc/self")) if process.joinpath("cmdline").read_bytes()[:5] == b"ray::"
    ]


def below(process: Path) -> Iterator[Path]:
    """All processes that a process has started, and those that they have."""
    for task in process.joinpath("task").iterdir():
        for child in task.joinpath("children").read_text().split():
            yield Path("/proc") / child
            yield from below(Path("/proc") / child)


def peak_bytes(process: Path) -> int:
    """The most memory that a process has had resident so far."""
    lines = dict(line.split(":", 1) for line in process.joinpath("status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024


def report(case: Case, before: tuple[float, int] | None) -> tuple[float, int]:
    """Measure a case in a process of its own and print it beside the case with a tenth of the institutions."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seconds, peak = pool.apply(measure, (case,))
    growth = f"   growth: time {seconds / before[0] / 10:4.2f}, memory {peak / before[1] / 10:4.2f}" if before else ""
    name = f"{case.model}, {case.topology}, {RUNTIMES[case.runtime]}, {case.n:,}"
    print(f"{name:<40} {seconds * 1e3:9.1f} ms {peak / 2**20:8.0f} MiB{growth}", flush=True)
    return seconds, peak


def main(chosen: list[str]) -> None:
    """Every chosen case; what is not chosen of a kind is all of it."""
    kinds = (MODELS, TOPOLOGIES, RUNTIMES, {str(n): n for n in SIZES})
    models, topologies, runtimes, sizes = ([each for each in kind if each in chosen] or list(kind) for kind in kinds)
    for model, topology, runtime in product(models, topologies, runtimes):
        seen: dict[int, tuple[float, int]] = {}
        for n in map(int, sizes):
            seen[n] = report(Case(model, topology, runtime, n), seen.get(n // 10))


if __name__ == "__main__":
    main(sys.argv[1:])
