"""Random rounds, and a slow simulator of them that is written differently: by repeated substitution."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain

import numpy as np
from hypothesis import strategies as st

from swarmsim.clock.operations import Compute, Hold, Program, Rest, Send, Wait
from swarmsim.clock.simulation import Simulation
from swarmsim.clock.wires import Wires

__all__ = ["Watched", "lines", "program", "relaxed", "simulated", "storms"]

EIGHTHS = st.integers(1, 24).map(lambda k: k / 8)  # sums and quotients of such numbers have no rounding
RATES = st.sampled_from([0.5, 1.0, 2.0, 8.0, np.inf])


@dataclass
class Watched(Wires):
    """Wires that note what each place served: (begin, end, bytes)."""

    served: dict = field(default_factory=lambda: defaultdict(list))

    def occupy(self, hop, size, reached):
        end = super().occupy(hop, size, reached)
        self.served[hop.place].append((end - size / hop.rate, end, size))
        return end


def lines(n: int, latency=0.0, up=np.inf, down=np.inf, links=None) -> Watched:
    """Lines of n participants; a number is that of everybody."""
    each = [np.broadcast_to(np.asarray(value, dtype=float), (n,)) for value in (latency, up, down)]
    return Watched(*each, links=links or {})


def program(n: int, *steps: tuple) -> Program:
    """A round from steps in the order of a choreography: (who, work) computes, (src, dst, size) is waited for at once.

    (src, dst, size, later) is waited for behind `later` more steps; ("hold", who, time) and ("rest", who) are as named.
    ("old", src, dst, age) waits for the last message between them that many rounds ago.
    """
    operations, numbers, due, count = [[] for _ in range(n)], {}, [], 0
    for place, step in enumerate((*steps, *[("nothing",)] * 9)):
        for entry in [entry for entry in due if entry[0] <= place]:
            operations[entry[1]].append(Wait(entry[2]))
            due.remove(entry)
        match step:
            case ("hold", who, until):
                operations[who].append(Hold(until))
            case ("old", src, dst, age):
                operations[dst].append(Wait((src, dst), age))
            case ("rest", who):
                operations[who].append(Rest())
            case (src, dst, size, *later):
                operations[src].append(Send(count, dst, size, "weights"))
                numbers[src, dst] = count
                due.append((place + 1 + (later[0] if later else 0), dst, count))
                count += 1
            case (who, work):
                operations[who].append(Compute(work))
    return Program(tuple(tuple(done) for done in operations), (), numbers)


def simulated(programs, wires, seconds=lambda t, who, work: work, fates=None) -> Simulation:
    """All rounds, carried out to the end."""
    simulation = Simulation(programs.__getitem__, len(programs), len(wires.up), wires, seconds, fates)
    assert sum(len(journeys) for _, journeys in simulation.all_journeys()) == sum(
        isinstance(done, Send) for one in programs for done in chain.from_iterable(one.operations)
    )
    return simulation


@st.composite
def storms(draw):
    """(programs of some rounds, wires): who computes, sends, waits, holds and rests at random, in no deadlock."""
    n, rounds = draw(st.integers(2, 4)), draw(st.integers(1, 4))
    endless = draw(st.booleans())
    wires = lines(
        n, *(np.array(draw(st.lists(kind, min_size=n, max_size=n))) for kind in (
            st.sampled_from([0.0, 0.25]) if endless else EIGHTHS, *[st.just(np.inf) if endless else RATES] * 2)),
        links=None if endless else draw(_links(n)),
    )  # fmt: skip
    return [program(n, *draw(_round(n, t))) for t in range(rounds)], wires


@st.composite
def _links(draw, n: int):
    pairs = [(a, b) for a in range(n) for b in range(n) if a != b]
    links = st.tuples(st.one_of(st.none(), EIGHTHS), st.one_of(st.none(), RATES))
    return {pair: draw(links) for pair in draw(st.lists(st.sampled_from(pairs), max_size=3, unique=True))}


@st.composite
def _round(draw, n: int, t: int):
    away = draw(st.one_of(st.just(frozenset()), st.frozensets(st.integers(0, n - 1), max_size=n - 1)))
    here = sorted(set(range(n)) - away)
    who = st.sampled_from(here)
    steps: list[tuple] = [("rest", i) for i in sorted(away)]
    for _ in range(draw(st.integers(0, 10))):
        a, b = draw(who), draw(who)
        kinds = ["work", "hold"] + (["message"] * 3 if a != b else []) + (["old"] if a != b and t else [])
        match draw(st.sampled_from(kinds)):
            case "work":
                steps.append((a, draw(EIGHTHS)))
            case "hold":
                steps.append(("hold", a, draw(EIGHTHS)))
            case "old":
                steps.append(("old", a, b, draw(st.integers(1, t))))
            case "message":
                steps.append((a, b, draw(st.integers(1, 8)), draw(st.integers(0, 3))))
    return steps


# ------------------------------------------------------------------------------- the slow simulator


def relaxed(programs, wires) -> tuple[dict, list[float]]:
    """(arrival of each message by (round, number), end of each round): guessed, substituted, until nothing moves."""
    arrived: dict = {}
    ends = [0.0] * len(programs)
    for _ in range(10_000):
        sent, newer = _walked(programs, arrived, ends)
        there = _served(sent, wires)
        if (there, newer) == (arrived, ends):
            return arrived, ends
        arrived, ends = there, newer
    raise AssertionError("no fixed point")


def _walked(programs, arrived, ends):
    """What each participant sends when, and when rounds end, if messages arrive (and others' rounds end) like that."""
    sent, over = [], [0.0] * len(programs)
    for who in range(len(programs[0].operations)):
        time = 0.0
        for t, one in enumerate(programs):
            rests = one.operations[who] == (Rest(),)
            for done in one.operations[who]:
                if isinstance(done, Compute):
                    time += done.flops
                elif isinstance(done, Send):
                    sent.append((time, t, who, done.number, done.dst, done.size))
                elif isinstance(done, Hold):
                    time = max(time, done.until)
                elif isinstance(done, Rest):
                    time = max(time, ends[t])
                else:
                    number = programs[t - done.age].numbers.get(done.number) if done.age else done.number
                    time = max(time, arrived.get((t - done.age, number), 0.0))
            if not rests:
                over[t] = max(over[t], time)
    return sent, list(np.maximum.accumulate(over))


def _served(sent, wires) -> dict:
    """Arrivals of messages sent at these times: each line serves them one by one, whoever comes first."""
    free: dict = defaultdict(float)
    coming = []
    for time, t, src, number, dst, size in sorted(sent):
        latency, bandwidth = wires.links.get((src, dst), (None, None))
        delay = wires.latency[src] + wires.latency[dst] if latency is None else latency
        begin, end = _through(free, ("up", src), time, time, size / wires.up[src])
        begin, end = begin + delay, end + delay
        if bandwidth is not None:
            begin, end = _through(free, ("link", src, dst), begin, end, size / min(bandwidth, wires.up[src]))
        lasts = size / wires.down[dst]
        coming.append((max(begin, end - lasts), t, src, number, dst, lasts))
    arrived = {}
    for time, t, _, number, dst, lasts in sorted(coming):
        arrived[t, number] = _through(free, ("down", dst), time, time, lasts)[1]
    return arrived


def _through(free, place, begin, end, lasts) -> tuple[float, float]:
    """(begin, end) of a service that starts when its place is free, and no byte leaves before it has come."""
    start = max(begin, free[place], end - lasts)
    free[place] = start + lasts
    return start, free[place]
