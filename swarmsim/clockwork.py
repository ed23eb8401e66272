"""From an experiment and its job to the clock of the run: speeds, wires, and the programs of its rounds."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from swarmsim.clock.carrier import Carrier
from swarmsim.clock.clock import Clock
from swarmsim.clock.lines import Network
from swarmsim.clock.pace import Pace
from swarmsim.clock.simulation import Fate
from swarmsim.clock.times import Times, times
from swarmsim.clock.wires import Wires, wires
from swarmsim.lazy import torch
from swarmsim.runtime.rehearsal import Rehearsals, work_of
from swarmsim.runtime.world import Job, network_of
from swarmsim.schedule.delivery import Delivery
from swarmsim.trees import nbytes

if TYPE_CHECKING:
    import networkx
    import numpy as np

    from swarmsim.experiment import Experiment

__all__ = ["Clockwork"]


class Clockwork:
    """What the schedule of a method and its clock share: how fast everybody computes, and how all are connected."""

    def __init__(self, experiment: Experiment, job: Job, graph: networkx.Graph | None, slowdown: np.ndarray | None):
        self.names = (*job.names, *job.servers)
        seed, pace, network = job.seed, experiment.pace or Pace(), experiment.network or Network()
        batch = job.algorithm.batch
        self.times: Times = times(pace, self.names, _work(job), job.sizes, batch, seed, slowdown)
        edges = _edges(graph, self.names) if graph is not None else ()
        self.wires: Wires = wires(network, self.names, seed, edges)
        self._job = job
        self.rehearsals: Rehearsals | None = None  # behind the clock, once there is one

    def carrier(self) -> Carrier:
        """What a protocol knows of the net: how long models of this job are on their way."""
        network = network_of(self._job, getattr(torch, self._job.dtype), "meta")
        shared, weights = self._job.algorithm.shared(network), network.initial()
        return Carrier(self.wires, [nbytes(shared.pick(kind, weights[kind])) for kind in shared.kinds])

    def clock(self, job: Job) -> Clock | None:
        """The clock of the job, now that it has its schedule; None, with a word on stderr, where no rehearsal tells."""
        try:
            self.rehearsals = rehearsals = Rehearsals(job)
            first = rehearsals.next()
        except RuntimeError as error:  # what torch raises when asked for the content of a tensor that has none
            print(f"no simulated seconds and no FLOPs: the round cannot be rehearsed ({error})", file=sys.stderr)
            return None

        def programs() -> Iterator:
            yield first
            while True:
                yield rehearsals.next()

        fates = None if job.delivery is None else self.fates(job.delivery)
        return Clock(programs().__next__, job.rounds, self.names, self.wires.fresh(), self.times, fates)

    def fates(self, delivery: Delivery) -> Callable[[int, int, int, int], Fate]:
        """What befalls the k-th message of a round from one to another."""

        def fate(t: int, src: int, dst: int, k: int) -> Fate:
            message = t + 1, self.names[src], self.names[dst], k
            return Fate(delivery.lost(*message), delivery.copies(*message), delivery.late(*message))

        return fate


def _work(job: Job) -> int:
    """FLOPs of training on one example; 1 where it cannot be rehearsed, and the clock will say so."""
    try:
        return work_of(job)
    except RuntimeError:
        return 1


def _edges(graph: networkx.Graph, names: tuple[str, ...]) -> Iterator[tuple]:
    """The edges of a topology that have a latency or a bandwidth."""
    for a, b, data in graph.edges(data=True):
        if "latency" in data or "bandwidth" in data:
            yield names[a], names[b], data.get("latency"), data.get("bandwidth")
