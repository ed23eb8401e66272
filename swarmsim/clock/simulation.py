"""The clock: participants carry out their programs, messages take their way; events in order of (time, round, sender).

Nobody waits for anybody but for messages, so that one who has what it needs is rounds ahead of one who has not. Who
is away in a round goes on when the round is over for the others. All times are simulated seconds since the start.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, NamedTuple

from swarmsim.clock.operations import Compute, Hold, Operation, Program, Rest, Send, Wait
from swarmsim.clock.wires import Hop, Wires

__all__ = ["Fate", "Fates", "Journey", "Simulation", "Stretch"]

Key = tuple[int, int]  # a message: its round, and its number in the round
Programs = Callable[[int], Program]
Seconds = Callable[[int, int, int], float]  # (round, participant, FLOPs) -> seconds
Fates = Callable[[int, int, int, int], "Fate"]  # (round, src, dst, k) of the k-th message between them in the round


class Stretch(NamedTuple):
    """What a participant did from begin to end: compute, wait (for a message), hold or rest."""

    begin: float
    end: float
    what: str
    round: int
    key: Key | None = None


class Fate(NamedTuple):
    """What befalls a message: attempts lost before one arrives, extra copies, and seconds that it is late."""

    lost: int = 0
    copies: int = 0
    late: float = 0.0


CALM = Fate()
TAKES_TIME = (Compute, Hold)
NOTHING: dict = {}
LEAD = 64  # rounds by which who has nothing to do may be ahead of the others
RESTS = (Rest(),)


@dataclass(slots=True)
class Journey:
    """A message on its way: when it was sent, reached each place, and arrived (None: not yet)."""

    key: Key
    src: int
    dst: int
    size: int
    kind: str
    sent: float
    delay: float
    hops: tuple[Hop, ...]
    fate: Fate
    repeated: int = 0
    reached: list[float] = field(default_factory=list)
    arrived: float | None = None


@dataclass(slots=True)
class _Participant:
    """Where somebody stands in its program."""

    who: int
    time: float = 0.0
    round: int = 0
    place: int = 0
    stretches: list[Stretch] = field(default_factory=list)
    aside: tuple[Operation, ...] | None = None  # not its own part of the round, but what it does beside it


class Simulation:
    """Rounds 0..rounds-1 of `programs`, simulated as far as somebody asks."""

    def __init__(
        self, programs: Programs, rounds: int, n: int, wires: Wires, seconds: Seconds, fates: Fates | None = None
    ) -> None:
        """n participants; `seconds` and `fates` say how long work takes and what befalls messages (None: nothing)."""
        self.programs, self.rounds, self.wires, self.seconds, self.fates = programs, rounds, wires, seconds, fates
        self.participants = [_Participant(who) for who in range(n)]
        self.ends: dict[int, float] = {}  # of rounds that are over
        self.journeys: dict[int, dict[int, Journey]] = {}  # round -> number -> message
        self._queue: list[tuple[float, int, int, int, int, Any]] = []  # time, round, who, number, stage
        self._blocked: dict[Key, _Participant] = {}
        self._resting: dict[int, list[_Participant]] = {}
        self._busy: dict[int, int] = {}  # round -> how many of those who are there have not finished it
        self._last: dict[int, float] = {}  # round -> when the last of them so far did
        self._sent: dict[int, dict[tuple[int, int], int]] = {}  # round -> the last message from src to dst
        self._runnable = list(reversed(self.participants))
        self._parked: list[_Participant] = []  # who has nothing to do, far ahead of the others

    def until(self, t: int) -> float:
        """When round t is over for everybody who is in it."""
        while t not in self.ends:
            while self._runnable:
                self._run(self._runnable.pop())
            if t not in self.ends:
                if not self._queue:
                    raise RuntimeError(f"clock: round {t + 1} never ends, since everybody waits: a program is wrong")
                self._advance()
        return self.ends[t]

    def all_journeys(self) -> Iterator[tuple[int, dict[int, Journey]]]:
        """Every message of the run, each at its end, by round."""
        self.until(self.rounds - 1)
        while self._queue:
            self._advance()
            while self._runnable:
                self._run(self._runnable.pop())
        yield from ((t, self.journeys.get(t, {})) for t in range(self.rounds))

    def take(self, before: float) -> Iterator[tuple[int, Stretch]]:
        """What everybody did, as far as it was over at a time; it is handed out once."""
        for one in self.participants:
            over = bisect_right(one.stretches, before, key=attrgetter("end"))
            gone, one.stretches = one.stretches[:over], one.stretches[over:]
            yield from ((one.who, stretch) for stretch in gone)

    def forget(self, t: int) -> None:
        """Drop the messages of rounds before t, for which nobody waits any more."""
        for old in [other for other in self.journeys if other < t]:
            del self.journeys[old]
            self._sent.pop(old, None)

    # -------------------------------------------------------------------------------------- participants

    def _run(self, one: _Participant) -> None:
        """What it does at this moment: until it has to wait, or time passes for it."""
        while one.round < self.rounds:
            operations = self._enter(one.round).operations[one.who] if one.aside is None else one.aside
            if not operations and one.aside is None and one.round > len(self.ends) + LEAD:
                self._parked.append(one)
                return
            while one.place < len(operations):
                operation = operations[one.place]
                if not _DOES[type(operation)](self, one, operation):
                    return
                one.place += 1
                if type(operation) in TAKES_TIME:
                    own = 0 if one.aside is None else 1
                    heapq.heappush(self._queue, (one.time, one.round, one.who, -1, own, one))
                    return
            self._finish(one, operations)
            if one.aside is not None:
                return

    def _compute(self, one: _Participant, operation: Compute) -> bool:
        return self._spend(one, one.time + float(self.seconds(one.round, one.who, operation.flops)), "compute")

    def _hold(self, one: _Participant, operation: Hold) -> bool:
        return self._spend(one, operation.until, "hold")

    def _wait(self, one: _Participant, operation: Wait) -> bool:
        """Whether the message is here; what was never sent, since its sender was away, is not waited for."""
        number, t = operation.number, one.round - operation.age
        if operation.age:
            number = self.programs(t).numbers.get(number) if t >= 0 else None
            if number is None:
                return True
        journey = self.journeys.get(t, NOTHING).get(number)
        if journey is None or journey.arrived is None:
            self._blocked[t, number] = one
            return False
        return self._spend(one, journey.arrived, "wait", journey.key)

    def _rest(self, one: _Participant, _: Rest) -> bool:
        if one.round not in self.ends:
            self._resting.setdefault(one.round, []).append(one)
            return False
        return self._spend(one, self.ends[one.round], "rest")

    def _spend(self, one: _Participant, end: float, what: str, key: Key | None = None) -> bool:
        """True, once the participant's time is at least `end`."""
        if end > one.time:
            one.stretches.append(Stretch(one.time, end, what, one.round, key))
            one.time = end
        return True

    def _enter(self, t: int) -> Program:
        program = self.programs(t)
        if t not in self._busy and t not in self.ends:
            here = [each != RESTS and who not in program.late for who, each in enumerate(program.operations)]
            self._busy[t] = sum(here) + len(program.aside)
            self._last[t], self.journeys[t], self._sent[t] = 0.0, {}, {}
            self._runnable += [_Participant(who, round=t, aside=beside) for who, beside in program.aside.items()]
            if not self._busy[t]:
                self._end(t)
        return program

    def _finish(self, one: _Participant, operations: tuple[Operation, ...]) -> None:
        t = one.round
        one.round, one.place = t + 1, 0
        if one.aside is not None or (operations != RESTS and one.who not in self.programs(t).late):
            self._busy[t] -= 1
            self._last[t] = max(self._last[t], one.time)
            if not self._busy[t]:
                self._end(t)

    def _end(self, t: int) -> None:
        """Nobody is in round t any more; a round is not over before the one before it."""
        while self._busy.get(t) == 0 and (not t or t - 1 in self.ends):
            self.ends[t] = max(self._last.pop(t), self.ends.get(t - 1, 0.0))
            del self._busy[t]
            self._runnable += self._resting.pop(t, [])
            t += 1  # the next one may have waited for this one alone

    # ------------------------------------------------------------------------------------------ messages

    def _send(self, one: _Participant, message: Send) -> bool:
        """True: the sender goes on at once."""
        t, src, dst = one.round, one.who, message.dst
        sent = self._sent[t]
        k = sent[src, dst] = sent.get((src, dst), -1) + 1
        fate = self.fates(t, src, dst, k) if self.fates and not message.kind.startswith("lost_") else CALM
        delay = self.wires.delay(src, dst, t, k) + fate.late
        hops, key = self.wires.route(src, dst), (t, message.number)
        journey = Journey(key, src, dst, message.size, message.kind, one.time, delay, hops, fate)
        self.journeys[t][message.number] = journey
        self._reach(journey, one.time, 0)
        return True

    def _reach(self, journey: Journey, time: float, stage: int) -> None:
        t, number = journey.key
        heapq.heappush(self._queue, (time, t, journey.src, number, stage, journey))

    def _advance(self) -> None:
        """The next event: somebody is done with something, or a message reaches a place of its way, or arrives."""
        time, _, _, _, stage, journey = heapq.heappop(self._queue)
        if isinstance(journey, _Participant):
            self._runnable.append(journey)
        elif stage == len(journey.hops):
            self._arrive(journey, time)
        elif stage == 0 and journey.repeated < journey.fate.lost:
            self._repeat(journey, time)
        else:
            self._pass(journey, time, stage)

    def _pass(self, journey: Journey, time: float, stage: int) -> None:
        """Through one place; extra copies pass right behind it, and nobody waits for them."""
        journey.reached.append(time)
        following = self.wires.passes(journey.hops, stage, journey.size, journey.delay, time)
        for _ in range(journey.fate.copies):
            self.wires.occupy(journey.hops[stage], journey.size, time)
        self._reach(journey, following, stage + 1)

    def _repeat(self, journey: Journey, time: float) -> None:
        """An attempt is lost: it took its time on the sender's line, and is made again when no answer came."""
        journey.repeated += 1
        end = self.wires.occupy(journey.hops[0], journey.size, time)
        self._reach(journey, end + 2 * journey.delay, 0)

    def _arrive(self, journey: Journey, time: float) -> None:
        journey.arrived = time
        waiting = self._blocked.pop(journey.key, None)
        if waiting is not None:
            self._runnable.append(waiting)


_DOES = {
    Compute: Simulation._compute, Send: Simulation._send, Wait: Simulation._wait, Hold: Simulation._hold,
    Rest: Simulation._rest,
}  # fmt: skip
"""What an operation does; it returns False if it has to wait."""
