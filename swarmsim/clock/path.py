"""The critical path of a round: what had to happen, one thing behind the other, for it to end when it did."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from swarmsim.clock.simulation import Journey, Simulation, Stretch

__all__ = ["Cause", "critical_path", "in_words", "last_of"]


class Cause(NamedTuple):
    """What time is spent on: compute, up, down (of `who`), link, latency (from `who` to `other`), hold or rest."""

    what: str
    who: int
    other: int | None = None


def critical_path(simulation: Simulation, begin: float, end: float) -> Counter[Cause]:
    """Seconds by cause between two times, at the second of which somebody finished; they sum to end - begin.

    Followed backwards from whoever finished last: through what it computed, and where it waited for a message, along
    the way of the message to its sender.
    """
    causes: Counter[Cause] = Counter()
    who, time = last_of(simulation, end), end
    while time > begin:
        stretch = _stretch_before(simulation.participants[who].stretches, time)
        if stretch is None:
            causes[Cause("rest", who)] += time - begin
            return causes
        if stretch.what != "wait":
            earliest = max(begin, stretch.begin)
            causes[Cause(stretch.what, who)] += time - earliest
            time = earliest
            continue
        journey = simulation.journeys[stretch.key[0]][stretch.key[1]]
        for cause, first, last in _way(journey, time):
            if (spent := last - max(begin, first)) > 0:
                causes[cause] += spent
        who, time = journey.src, journey.sent
    return causes


def last_of(simulation: Simulation, end: float) -> int:
    """Who finished something at a time; the first of several."""
    for one in simulation.participants:
        stretch = _stretch_before(one.stretches, end)
        if stretch is not None and stretch.end == end:
            return one.who
    return 0


def _stretch_before(stretches: Sequence[Stretch], time: float) -> Stretch | None:
    """The stretch that covers the moment before a time; a participant's stretches follow without gaps."""
    place = bisect_left(stretches, time, key=attrgetter("end"))
    return stretches[place] if place < len(stretches) and stretches[place].begin < time else None


def _way(journey: Journey, until: float) -> Iterator[tuple[Cause, float, float]]:
    """(cause, from, to) of each piece of the way of a message that was waited for until a time."""
    src, dst, moments = journey.src, journey.dst, [*journey.reached, until]
    yield Cause("up", src), journey.sent, moments[0]  # attempts that were lost
    for stage, hop in enumerate(journey.hops):
        begin, end = moments[stage], moments[stage + 1]
        if stage == 0:
            end -= journey.delay
            yield Cause("latency", src, dst), end, moments[1]
        kind = hop.place[0]
        yield Cause(kind, dst if kind == "down" else src, dst if kind == "link" else None), begin, end


def in_words(cause: Cause, names: Sequence[str]) -> str:
    """For a sentence: `hospital 3's uplink`."""
    who = names[cause.who]
    other = "" if cause.other is None else names[cause.other]
    return {
        "compute": f"computing at {who}",
        "up": f"{who}'s uplink",
        "down": f"{who}'s downlink",
        "link": f"the link from {who} to {other}",
        "latency": f"the latency from {who} to {other}",
        "hold": f"{who} waiting for others to come",
        "rest": f"{who} being away",
    }[cause.what]
