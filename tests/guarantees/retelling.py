"""A run told again from its events alone, and held against the schedule that it had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from swarmsim.runtime.world import Job
from swarmsim.schedule.events import delivery_events
from swarmsim.schedule.faults import Faults
from swarmsim.schedule.links import sides
from swarmsim.schedule.slowdown import slowdown
from swarmsim.types import Event, Traffic

__all__ = ["differences", "repeated"]


def differences(work: Job, calm: Job, section: Faults, said: Sequence[Event]) -> list[str]:
    """Where the events of a job do not tell what its schedule says, with the round; [] if they do."""
    told = _Story(work, said)
    slow = slowdown(section, work.names, work.rounds, work.seed)
    apart = sides(section, work.names, work.rounds)
    found = []
    for t in range(work.rounds):
        now, tick = told.round(t + 1), work.schedule.tick(t)
        expected = {
            "awake": set(tick.awake(range(len(work.names)))),
            "outages": set(tick.servers_down),
            "slow": {} if slow is None else {i: f for i, f in enumerate(slow[t].tolist()) if f != 1},
            "parted": apart is not None and bool(apart[t].any()),
            "lost": set(tick.lost),
            "isolated": set(_isolated(work, calm, t)),
        }
        found += [
            f"round {t + 1}: {key}: {now[key]} != {value}" for key, value in expected.items() if now[key] != value
        ]
        found += [f"round {t + 1}: {wrong}" for wrong in _of_the_plan(tick.plan, told, t + 1)]
    return found


def repeated(work: Job, rounds: Iterable) -> list[str]:
    """Where the counts of repeated messages are not those that each message's address gives."""
    found = []
    for each in rounds:
        if work.delivery is None:
            found += [f"{line}" for line in each.traffic if line.kind.startswith("copy_")]
            continue
        links = Counter()
        for line in each.traffic:
            links[line.src, line.dst] += line.messages * (not line.kind.startswith(("lost_", "copy_")))
        resends = work.delivery.loss is not None
        again = sum(work.delivery.lost(each.round, *link, k) for link, count in links.items() for k in range(count))
        wanted = [("sent again", again)] if resends else []
        if not any(line.kind.startswith("lost_") for line in each.traffic) or resends:  # else k is not known here
            twice = [work.delivery.copies(each.round, *link, k) for link, count in links.items() for k in range(count)]
            wanted.append(("twice", sum(twice)))
        counts = {event.event: int(event.detail.split()[0]) for event in delivery_events(each.traffic, resends)}
        found += [f"round {each.round}: {what}: {counts}" for what, count in wanted if counts.get(what, 0) != count]
    return found


def sent(traffic: Iterable[Traffic], kind: str) -> set[tuple[str, str]]:
    """Over which links a kind of message went."""
    return {(line.src, line.dst) for line in traffic if line.kind == kind}


class _Story:
    """What events say, round by round."""

    def __init__(self, work: Job, said: Sequence[Event]) -> None:
        self.names, self.said = work.names, said
        self.named = work.algorithm.named_servers(len(work.names))
        self.nodes = work.servers if hasattr(type(work.algorithm), "nodes") else work.names
        self.away: set[str] = set()
        self.slow: dict[int, float] = {}
        self.parted = False

    def of(self, round_: int, *what: str) -> list[Event]:
        return [event for event in self.said if event.round == round_ and event.event in what]

    def round(self, round_: int) -> dict:
        for event in self.of(round_, "down", "up"):
            (self.away.add if event.event == "down" else self.away.remove)(event.institution)
        for event in self.of(round_, "slow", "on pace"):
            i = self.names.index(event.institution)
            self.slow.pop(i, None)
            if event.event == "slow":
                self.slow[i] = float(event.detail.split()[0])
        kinds = [event.event for event in self.of(round_, "parted", "healed")]
        self.parted = "parted" in kinds or (self.parted and "healed" not in kinds)
        awake = {i for i, name in enumerate(self.names) if name not in self.away}
        nobody, few = bool(self.of(round_, "nobody")), bool(self.of(round_, "no quorum"))
        lost = {
            (self.nodes.index(name), self.nodes.index(event.institution))
            for event in self.of(round_, "lost")
            for name in event.detail.removeprefix("from ").split(", ")
        }
        return {
            "awake": awake if nobody == (not awake) and not few else set() if few else None,
            "outages": {k for name, members in self.named.items() if name in self.away for k in members},
            "slow": dict(self.slow), "parted": self.parted, "lost": lost,
            "isolated": {self.nodes.index(event.institution) for event in self.of(round_, "isolated")},
        }  # fmt: skip


def _isolated(work: Job, calm: Job, t: int) -> Iterable[int]:
    """Who is awake, has neighbours, and hears none of them."""
    if not work.schedule.mixings:
        return []
    base, now = calm.schedule.tick(t).mixing, work.schedule.tick(t)
    down = (
        set(now.servers_down)
        if hasattr(type(work.algorithm), "nodes")
        else set(range(base.n)) - set(now.awake(range(base.n)))
    )
    alone = (np.diff(base.starts) > 1) & (np.diff(now.mixing.starts) == 1)
    return [i for i in np.flatnonzero(alone).tolist() if i not in down]


def _of_the_plan(plan, told: _Story, round_: int) -> list[str]:
    """A leader that was away, and a merge that there was not."""
    if plan is None:
        return []
    deposed = [event.institution for event in told.of(round_, "deposed")]
    wanted = [] if plan.deposed is None else [told.names[plan.deposed]]
    nothing = bool(told.of(round_, "no merge"))
    return [f"deposed: {deposed}"] * (deposed != wanted) + [f"no merge: {nothing}"] * (
        nothing == bool(plan.contributors)
    )
