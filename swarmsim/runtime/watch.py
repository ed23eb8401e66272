"""Telling a host that is stuck from one that computes for long: what it did since it was last looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["Pulse", "Silent", "Stuck", "Watch"]

THREAD = 0.001  # share of a core: below that, a program's thread has slept all the time
PROCESS = 0.05  # the same for its whole process, where Ray's own threads take about 1 %


class Pulse(NamedTuple):
    """What a host says of itself while its program runs. Seconds are of CPU time, counted from any moment."""

    thread: float  # of the program
    process: float  # of all threads, and of processes that were started here
    moved: int  # bytes that arrived from other hosts
    waits: int | None  # the host that it waits for
    round: int | None
    who: str | None  # whose part it computes
    where: str  # the line it stands at


class Silent(NamedTuple):
    """A host that does not answer, seen from outside: CPU seconds of its process, None if nobody could look."""

    process: float | None


class Stuck(NamedTuple):
    """Who stands still: one host that waits for nobody, or all of them, that wait for each other."""

    hosts: dict[int, Pulse | Silent]
    seconds: float


class Watch:
    """Watches hosts while they are asked for something. A host that computes has all the time in the world."""

    def __init__(self, patience: float) -> None:
        self._patience, self._last = patience, {}

    def judge(self, now: float, pulses: Mapping[int, Pulse | Silent]) -> Stuck | None:
        """Who has stood still for `patience` seconds; `pulses` are those of all hosts that have not answered yet."""
        for host, pulse in pulses.items():
            before = self._last.get(host)
            if before is None or _went_on(pulse, before[1], now - before[0]):
                self._last[host] = (now, pulse)
        waited = {host: now - self._last[host][0] for host in pulses}
        still = {host: pulse for host, pulse in pulses.items() if waited[host] >= self._patience}
        for host, pulse in still.items():
            if isinstance(pulse, Silent) or pulse.waits is None:
                return Stuck({host: pulse}, waited[host])
        return Stuck(still, min(waited.values())) if still and len(still) == len(pulses) else None


def _went_on(now: Pulse | Silent, before: Pulse | Silent, seconds: float) -> bool:
    """Whether a host did anything in some seconds, or began or ended to wait for another."""
    if type(now) is not type(before):
        return True
    if now.process is not None and before.process is not None and now.process - before.process >= PROCESS * seconds:
        return True
    if isinstance(now, Silent):
        return False
    computed = now.thread - before.thread >= max(THREAD * seconds, 1e-9)
    return computed or (now.moved, now.waits, now.round) != (before.moved, before.waits, before.round)
