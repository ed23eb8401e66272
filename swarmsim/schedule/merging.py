"""The leader-merge protocol on a virtual clock: who is in which merge follows from durations, before anything trains.

A round is one merge, or the attempt at one. Events are ordered by (time, priority, institution): a contribution that
arrives at the very moment of a merge is in it. All times are simulated seconds; where a carrier says so, models take
some to the leader and back, and those that come at once stand in line.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from swarmsim.schedule.election import Election
from swarmsim.schedule.naming import indices
from swarmsim.schedule.protocol import MergePlan, Protocol, Sync
from swarmsim.types import InputError, SwarmsimError

__all__ = ["merge_plans", "period_steps"]

ARRIVAL, TRAINED, ON_THE_WAY, MERGE = range(4)  # what comes first of two events at one time


def period_steps(sync: Sync | None, seconds: np.ndarray, otherwise: np.ndarray | int) -> np.ndarray:
    """Steps of a training period that begins in round t at institution i [rounds, n].

    seconds [rounds, n]: of one step; otherwise, one number or one for each institution: where there is no `sync`.
    """
    if sync is None or sync.every is not None:
        return np.broadcast_to(np.asarray(otherwise if sync is None else sync.every), seconds.shape)
    return np.maximum(1, np.floor(sync.seconds / seconds + 1e-9)).astype(np.int64)


def merge_plans(
    protocol: Protocol,
    durations: np.ndarray,
    names: Sequence[str],
    seed: int,
    active: np.ndarray | None = None,
    sides: np.ndarray | None = None,
    carrier: Any = None,
) -> tuple[MergePlan, ...]:
    """The plan of every round, for durations [rounds, n] of training periods by the round in which they begin.

    carrier: how long models are on their way (clock.carrier.Carrier; None: no time at all).
    active [rounds, n]: who is awake (None: all); sides [rounds, n]: who reaches whom (None: all). Whoever falls asleep
    or is cut off from the leader is not in the merge, and begins again when it is back: from the last merge if it
    missed one, else (no quorum, no merge) from the model that it has.
    The leader merges when the quorum is there, even if its own contribution is late. InputError for unknown names
    and a quorum above n; SwarmsimError for a quorum that is missed under no_quorum: stop.
    """
    rounds, n = durations.shape
    if protocol.min_peers > n:
        raise InputError(f"min_peers: {protocol.min_peers} is more than the {n} institutions; write {n} or less")
    active = np.ones((rounds, n), dtype=bool) if active is None else active
    sides = np.zeros((rounds, n), dtype=np.int16) if sides is None else sides
    swarm = _Swarm(protocol, durations, names, seed, carrier)
    return tuple(swarm.round(t, active[t].tolist(), sides[t].tolist()) for t in range(rounds))


@dataclass
class _Round:
    """A round while it lasts: who is awake, who is reached by the leader, and what has happened so far."""

    t: int
    leader: int | None
    awake: list[bool]
    here: frozenset[int]
    guests: list[int]  # here, and in merges without training
    begins: dict[int, float] = field(default_factory=dict)  # who begins to train, and when
    catches_up: list[int] = field(default_factory=list)
    pieces: Counter[int] = field(default_factory=Counter)  # messages of a contribution that have reached the leader
    latest: Counter[int] = field(default_factory=Counter)  # when the last of them did
    discarded: set[int] = field(default_factory=set)  # whose late contribution was thrown away


class _Swarm:
    """What stands between two rounds: who trains until when, whose contribution waits, who holds which merge."""

    def __init__(
        self, protocol: Protocol, durations: np.ndarray, names: Sequence[str], seed: int, carrier: Any
    ) -> None:
        self.protocol, self.durations, self.names, self.carrier = protocol, durations, names, carrier
        self.election = Election(protocol, names, seed)
        self.last = _last_rounds(protocol, names, len(durations))
        self.time, self.merges = 0.0, 0
        self.free = [0.0] * len(names)  # when i has what the last merge sent it
        self.led = 0  # who led the last merge
        self.ended = dict.fromkeys(range(len(names)), 0.0)  # when i last finished training
        self.held = [0] * len(names)  # merges made until i last took one
        self.busy: dict[int, tuple[float, int]] = {}  # i -> (end, round of the beginning) of its training period
        self.ready: dict[int, int] = {}  # i -> the round in which the period began whose result waits for a merge
        self.finished: dict[int, int] = {}  # i -> the same, of its last period, unless that was broken off

    def round(self, t: int, awake: list[bool], side: list[int]) -> MergePlan:
        """Round t, from 0."""
        stays = self.protocol.at_end == "stay_active"
        members = [stays or t < last for last in self.last]
        leader, deposed = self.election.hold(t, members, awake, self._ends(t))
        here = [i for i, up in enumerate(awake) if up and (leader is None or side[i] == side[leader])]
        self._break_off(here)
        idle = [i for i in here if i not in self.busy and i not in self.ready]
        now = _Round(t, leader, awake, frozenset(here), [i for i in idle if stays and t >= self.last[i]])
        for i in idle:
            if t < self.last[i]:
                self._begin(i, now)
            elif stays:
                self._catch_up(i, now)
        enough = self._collect(now)
        obstacle = "no leader" if leader is None else "" if enough else "no quorum"
        contributors, receivers = ((), ()) if obstacle else self._merge(now)
        left_out = self._left_out(now, {i for i, _ in contributors}, obstacle)
        if obstacle:
            self._go_on(now, obstacle, left_out)
        trains = sorted(now.begins)
        return MergePlan(
            leader, tuple(trains), tuple(sorted(now.catches_up)), contributors, left_out, receivers, self.time, deposed,
            tuple(now.begins[i] for i in trains),
        )  # fmt: skip

    def _ends(self, t: int) -> list[float]:
        """When each institution would have its contribution, if it began now what it is not already at."""
        fresh = [0.0 if i in self.ready else float(each) for i, each in enumerate(self.durations[t])]
        begins = [max(self.time, free) for free in self.free]
        return [self.busy[i][0] if i in self.busy else begins[i] + fresh[i] for i in range(len(self.names))]

    def _break_off(self, here: list[int]) -> None:
        """Whoever is away has lost what it was training, or held ready."""
        for i in (self.busy.keys() | self.ready.keys()) - set(here):
            if self.busy.pop(i, None):
                self.finished.pop(i, None)
            self.ready.pop(i, None)

    def _begin(self, i: int, now: _Round) -> None:
        self._catch_up(i, now)
        now.begins.setdefault(i, max(self.time, self.free[i]))  # who begins twice in a round began the first time
        self.busy[i] = (max(self.time, self.free[i]) + float(self.durations[now.t, i]), now.t)

    def _catch_up(self, i: int, now: _Round) -> None:
        if self.held[i] < self.merges:
            if self.carrier is not None:
                self.free[i] = self.time + self.carrier.alone(self._giver(now), i)
            now.catches_up.append(i)
            self.held[i] = self.merges

    def _giver(self, now: _Round) -> int:
        """Who has the last merge for those who missed it: its leader, or the first of those here."""
        has = [i for i in sorted(now.here) if self.held[i] == self.merges and i not in now.catches_up]
        return self.led if self.led in has or not has else has[0]

    def _collect(self, now: _Round) -> bool:
        """Let time pass until the merge, or until nobody trains any more; whether the quorum is there."""
        if self.carrier is not None:
            self.carrier.clear()
            for i in [i for i in self.ready if self._travels(i, now)]:  # what stood is sent to who leads now
                self.busy[i] = (self.ended[i], self.ready.pop(i))
        queue = [(end, TRAINED, i, 0, 0) for i, (end, _) in self.busy.items()]
        heapq.heapify(queue)
        called = False
        while self.busy:
            if not called and self._quorum(now) and self.ready and self.protocol.wait is not None:
                heapq.heappush(queue, (self.time + self.protocol.wait, MERGE, -1, 0, 0))
                called = True
            time, event, i, k, stage = heapq.heappop(queue)
            self.time = max(self.time, time)
            if event == MERGE:
                break
            if event == ARRIVAL or not self._travels(i, now):
                self._arrive(i, now)
                if i in self.busy:
                    heapq.heappush(queue, (self.busy[i][0], TRAINED, i, 0, 0))
                continue
            for place in range(self.carrier.messages) if event == TRAINED else (k,):
                if (moved := self._moved(i, place, stage, time, now)) is not None:
                    heapq.heappush(queue, moved)
        return self._quorum(now)

    def _travels(self, i: int, now: _Round) -> bool:
        """Whether the contribution of i has a way to go; without a leader it stays where it is."""
        return self.carrier is not None and self.carrier.messages > 0 and now.leader not in (None, i)

    def _moved(self, i: int, k: int, stage: int, time: float, now: _Round) -> tuple | None:
        """The next event of the k-th message of i to the leader; a contribution is there with its last message."""
        following, there = self.carrier.move(now.t, i, now.leader, k, stage, time)
        if not there:
            return following, ON_THE_WAY, i, k, stage + 1
        now.pieces[i] += 1
        now.latest[i] = max(now.latest[i], following)
        return (now.latest[i], ARRIVAL, i, 0, 0) if now.pieces[i] == self.carrier.messages else None

    def _quorum(self, now: _Round) -> bool:
        return now.leader is not None and len(self.ready) + len(now.guests) >= self.protocol.min_peers

    def _arrive(self, i: int, now: _Round) -> None:
        """A training period is over: its result waits for the merge, or is thrown away and another begins."""
        self.ended[i], began = self.busy.pop(i)
        self.finished[i], now.pieces[i] = began, 0
        if self.protocol.late != "drop" or self.held[i] == self.merges:
            self.ready[i] = began
            return
        now.discarded.add(i)
        if now.t < self.last[i]:
            self._begin(i, now)

    def _merge(self, now: _Round) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...]]:
        """(contributors with ages, receivers)"""
        began = {**self._snapshots(now.t), **dict.fromkeys(now.guests, now.t), **self.ready}
        receivers = sorted([*self.ready, *now.guests])
        self.merges += 1
        for i in receivers:
            self.held[i] = self.merges
        self.ready, self.led = {}, now.leader
        if self.carrier is not None:
            for i, there in self.carrier.broadcast(now.t, now.leader, receivers, self.time).items():
                self.free[i] = there
        return tuple((i, now.t - began[i]) for i in sorted(began)), tuple(receivers)

    def _snapshots(self, t: int) -> dict[int, int]:
        if self.protocol.at_end != "keep_snapshot":
            return {}
        return {i: began for i, began in self.finished.items() if t >= self.last[i] and i not in self.busy}

    def _left_out(self, now: _Round, contributors: set[int], obstacle: str) -> tuple[tuple[int, str], ...]:
        others = [i for i in range(len(self.names)) if i not in contributors]
        return tuple((i, self._reason(i, now, obstacle)) for i in others)

    def _reason(self, i: int, now: _Round, obstacle: str) -> str:
        under_way = i in self.busy or i in self.ready or i in now.discarded
        if now.t >= self.last[i] and not under_way and self.protocol.at_end != "stay_active":
            return "left" if self.protocol.at_end == "leave" else obstacle or "no model"
        if i not in now.here:
            return "cut off" if now.awake[i] else "asleep"
        return obstacle or ("thrown away" if i in now.discarded else "late")

    def _go_on(self, now: _Round, obstacle: str, left_out: tuple[tuple[int, str], ...]) -> None:
        """No merge: contributions wait, or everybody trains on from what it has, or the run fails."""
        if self.protocol.no_quorum == "stop":
            away = [f"{self.names[i]} ({reason})" for i, reason in left_out if reason != obstacle]
            raise SwarmsimError(
                f"round {now.t + 1}: {obstacle}: {len(self.ready) + len(now.guests)} of {len(self.names)} institutions "
                f"can contribute and min_peers is {self.protocol.min_peers}; missing: {', '.join(away) or 'nobody'}. "
                "With no_quorum: skip or wait the run would go on"
            )
        if self.protocol.no_quorum == "skip":
            for i in self.ready:
                self.held[i] = self.merges
            self.ready = {}


def _last_rounds(protocol: Protocol, names: Sequence[str], rounds: int) -> list[int]:
    """How many rounds each institution trains; InputError for an end behind the last round."""
    last = [rounds] * len(names)
    for name, i in zip(protocol.ends, indices(list(protocol.ends), names, "ends"), strict=True):
        if protocol.ends[name] > rounds:
            raise InputError(f"ends: {name} trains until round {protocol.ends[name]}, but the run has {rounds} rounds")
        last[i] = protocol.ends[name]
    return last
