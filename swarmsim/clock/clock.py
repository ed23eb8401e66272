"""The clock of a run: when each round is over, who was busy, and what the rounds waited for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from swarmsim.clock.operations import Program
from swarmsim.clock.path import Cause, critical_path, in_words, last_of
from swarmsim.clock.simulation import Fates, Journey, Simulation, Stretch
from swarmsim.clock.times import Times
from swarmsim.clock.wires import Wires

if TYPE_CHECKING:
    import numpy as np

__all__ = ["KEPT", "Clock", "Moment"]

OLDEST = 64  # rounds for which a message can be waited for
KEPT = 20_000  # stretches of the timeline; it ends with the round in which there are so many


class Moment(NamedTuple):
    """When a round is over [seconds since the start], how long it took, and on what, one thing behind the other."""

    time: float
    seconds: float
    path: Counter[Cause]


class Clock:
    """Rounds in their order; what it says depends on the programs, the network, the pace and the seed alone."""

    def __init__(
        self, following: Callable[[], Program], rounds: int, names: Sequence[str], wires: Wires, times: Times,
        fates: Fates | None = None,
    ) -> None:  # fmt: skip
        """`following()` is the program of the next round, from round 0."""
        self.names, self.rounds = tuple(names), rounds
        self.moments: list[float] = []  # the end of every round so far
        self.busy: Counter[int] = Counter()  # seconds of computing, by participant
        self.path: Counter[Cause] = Counter()  # seconds by cause, over all rounds so far
        self.last: Counter[int] = Counter()  # rounds that ended with a participant
        self.timeline: list[tuple[int, Stretch, Journey | None]] = []
        self.shown = 0.0  # until when the timeline is complete
        self._following, self._times, self._known = following, times, 0
        self._programs: dict[int, Program] = {}
        self._simulation = Simulation(self.program, rounds, len(names), wires, times.seconds, fates)

    def program(self, t: int) -> Program:
        """Of round t, not much older than the last one that was asked for."""
        while self._known <= t:
            self._programs[self._known] = self._following()
            self._known += 1
        return self._programs[t]

    def until(self, t: int) -> Moment:
        """Round t, from 0, and with it all before it."""
        moment = None
        while len(self.moments) <= t:
            moment = self._round(len(self.moments))
        return moment or Moment(self.moments[t], self.moments[t] - (self.moments[t - 1] if t else 0.0), Counter())

    def _round(self, t: int) -> Moment:
        begin, end = self.moments[-1] if t else 0.0, self._simulation.until(t)
        path = critical_path(self._simulation, begin, end)
        self.last[last_of(self._simulation, end)] += end > begin
        self.moments.append(end)
        self.path += path
        self._book(begin if t + 1 < self.rounds else end)
        self._simulation.forget(t - OLDEST)
        for old in [other for other in self._programs if other < t - OLDEST]:
            del self._programs[old]
        return Moment(end, end - begin, path)

    def _book(self, before: float) -> None:
        """Note what everybody did until a time."""
        room = len(self.timeline) < KEPT
        self.shown = before if room else self.shown
        for who, stretch in self._simulation.take(before):
            if stretch.what == "compute":
                self.busy[who] += stretch.end - stretch.begin
            if room:
                journey = self._simulation.journeys[stretch.key[0]][stretch.key[1]] if stretch.key else None
                self.timeline.append((who, stretch, journey))

    @property
    def slowdown(self) -> np.ndarray | None:
        """Factors of stragglers [rounds, institutions]; None: nobody straggles."""
        return self._times.slowdown

    @property
    def speeds(self) -> dict[str, float]:
        """FLOP/s of each participant, before it straggles."""
        return dict(zip(self.names, self._times.rates.tolist(), strict=True))

    def messages(self, t: int) -> list[Journey]:
        """Those of round t, not much older than the last one that was asked for."""
        return list(self._simulation.journeys.get(t, {}).values())

    def flops(self, t: int = 0) -> dict[str, int]:
        """FLOPs of a round by participant; 0 where the model has none that are counted, but examples."""
        counted = self._times.work > 1
        return {name: each * counted for name, each in zip(self.names, self.program(t).flops(), strict=True)}

    def idle(self) -> dict[str, float]:
        """The share of the time in which a participant did not compute; {} before anything took time."""
        whole = self.moments[-1] if self.moments else 0.0
        return {name: 1 - self._busy(who, whole) / whole for who, name in enumerate(self.names)} if whole else {}

    def _busy(self, who: int, until: float) -> float:
        """Seconds of computing, with those that are not booked yet."""
        begun = (each for each in self._simulation.participants[who].stretches if each.what == "compute")
        return self.busy[who] + sum(max(0.0, min(each.end, until) - each.begin) for each in begun)

    def causes(self, most: int = 5) -> list[tuple[str, float]]:
        """What the rounds waited for in words, with its share of all seconds; the longest first."""
        whole = sum(self.path.values())
        return [(in_words(cause, self.names), spent / whole) for cause, spent in self.path.most_common(most) if whole]
