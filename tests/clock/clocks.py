"""Clocks of small jobs, as runs get them, and figures of models that are worked out by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from types import SimpleNamespace

from swarmsim.clock.clock import Clock
from swarmsim.clock.lines import Network
from swarmsim.clock.pace import Pace
from swarmsim.clock.wires import Wires
from swarmsim.clockwork import Clockwork
from swarmsim.runtime.world import Job
from swarmsim.schedule.build import Servers, schedule
from swarmsim.schedule.delivery import Delivery
from swarmsim.schedule.faults import Faults
from swarmsim.schedule.slowdown import slowdown
from swarmsim.timetable import planned

__all__ = ["QUICK", "clock_of", "clockwork_of", "ends", "faulty", "linear", "wired"]

QUICK = {"latency": 0.0, "up": 1e15, "down": 1e15}  # lines on which nothing takes any time to speak of


def clockwork_of(work: Job, network=None, pace=None, faults=None) -> Clockwork:
    """Speeds and wires of a job for sections `network`, `pace` and `faults`."""
    sections = SimpleNamespace(network=Network(**(network or {})), pace=Pace(**(pace or {})))
    slow = slowdown(Faults.model_validate(faults or {}), work.names, work.rounds, work.seed)
    return Clockwork(sections, work, None, slow)


def clock_of(work: Job, network=None, pace=None, faults=None) -> Clock:
    """The clock of a job whose schedule has the faults already."""
    return clockwork_of(work, network, pace, faults).clock(work)


def wired(work: Job, wires: Wires, pace=None) -> Clock:
    """The clock of a job on wires that no section can describe: infinitely fast ones."""
    clockwork = clockwork_of(work, None, pace)
    clockwork.wires = wires
    return clockwork.clock(work)


def ends(clock: Clock) -> list[float]:
    """When each round is over."""
    return [clock.until(t).time for t in range(clock.rounds)]


def faulty(work: Job, faults: dict, network=None, pace=None) -> Job:
    """The job with a schedule under a section `faults`, and plans where its method makes some."""
    section, kind = Faults.model_validate(faults), work.algorithm
    calm = replace(work.schedule, plans=(), steps=None)
    nodes = getattr(kind, "nodes", lambda names: names)(work.names)
    servers = Servers(kind.named_servers(len(work.names)), mix=nodes != work.names)
    made, _ = schedule(calm, section, work.names, work.rounds, work.seed, servers, kind.resends)
    if work.schedule.plans:
        clockwork = clockwork_of(work, network, pace, faults)
        made = planned(kind, made, work.names, work.sizes, work.rounds, work.seed, clockwork, section)
    return replace(work, schedule=made, delivery=Delivery.of(section, work.seed, kind.resends))


def linear(examples: int, *widths: int, inputs: bool = False) -> tuple[int, int]:
    """(forward, backward) FLOPs of linear layers: 2 for each multiply-add, the gradients of weights and of inputs.

    `inputs`: whether the gradient of the first input is wanted too, which a part above a cut sends down.
    """
    layers = [2 * examples * a * b for a, b in itertools.pairwise(widths)]
    return sum(layers), 2 * sum(layers) - (0 if inputs else layers[0])
