"""The event queue beside a slow simulator that knows none, and what no simulation may break."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.clock.operations import Compute, Hold
from swarmsim.clock.path import critical_path
from swarmsim.clock.simulation import Fate
from tests.clock.programs import lines, program, relaxed, simulated, storms

BENCH = settings(deadline=None, max_examples=100)


@settings(deadline=None, max_examples=250)
@given(storms())
def test_every_message_arrives_when_the_slow_simulator_says(storm):
    """All numbers are eighths, so nothing is rounded and the two must be equal."""
    programs, wires = storm
    found = simulated(programs, wires)
    arrived, ends = relaxed(programs, wires)
    assert {(t, k): one.arrived for t, some in found.journeys.items() for k, one in some.items()} == arrived
    assert [found.ends[t] for t in range(len(programs))] == ends


@BENCH
@given(storms(), st.integers(0, 2), st.integers(0, 2))
def test_places_serve_one_at_a_time_all_bytes_that_were_sent(storm, lost, copies):
    programs, wires = storm
    found = simulated(programs, wires, fates=lambda t, src, dst, k: Fate(lost * (k % 2), copies * (k % 3 == 0)))
    sent: Counter = Counter()
    for journeys in found.journeys.values():
        for one in journeys.values():
            for place in (hop.place for hop in one.hops):
                attempts = one.fate.lost if place[0] == "up" else 0
                sent[place] += one.size * (1 + attempts + one.fate.copies)
    assert {place: sum(size for *_, size in served) for place, served in wires.served.items()} == dict(sent)
    for served in wires.served.values():
        assert all(before[1] <= after[0] for before, after in pairwise(served))


@BENCH
@given(storms())
def test_what_participants_do_fills_their_time_without_gap_or_overlap(storm):
    programs, wires = storm
    found = simulated(programs, wires)
    for one in found.participants:
        moments = [0.0, *(stretch.end for stretch in one.stretches)]
        assert [stretch.begin for stretch in one.stretches] == moments[:-1]
        assert moments[-1] == one.time
        assert moments == sorted(set(moments))
        work = sum(done.flops for p in programs for done in p.operations[one.who] if isinstance(done, Compute))
        assert sum(s.end - s.begin for s in one.stretches if s.what == "compute") == work
        for stretch in one.stretches:
            assert stretch.what != "wait" or stretch.end == found.journeys[stretch.key[0]][stretch.key[1]].arrived


@BENCH
@given(storms(), st.booleans())
def test_the_critical_path_of_a_round_lasts_as_long_as_the_round(storm, faulty):
    programs, wires = storm
    fates = (lambda t, src, dst, k: Fate(k % 2, t % 2, 0.5 * (src % 2))) if faulty else None
    found = simulated(programs, wires, fates=fates)
    ends = [0.0, *(found.ends[t] for t in range(len(programs)))]
    assert ends == sorted(ends)
    for begin, end in pairwise(ends):
        path = critical_path(found, begin, end)
        assert sum(path.values()) == end - begin
        assert all(spent > 0 for spent in path.values())
    whole = critical_path(found, 0.0, ends[-1])
    for who, one in enumerate(found.participants):
        own = sum(s.end - s.begin for s in one.stretches if s.what == "compute")
        assert sum(spent for cause, spent in whole.items() if cause.what == "compute" and cause.who == who) <= own


@BENCH
@given(storms(), st.sampled_from([0.25, 2.0, 16.0]))
def test_everything_faster_by_a_factor_takes_that_factor_less(storm, c):
    programs, wires = storm
    if any(isinstance(done, Hold) for p in programs for ops in p.operations for done in ops):
        return  # a moment of the schedule does not scale
    links = {
        pair: (None if late is None else late / c, None if rate is None else rate * c)
        for pair, (late, rate) in wires.links.items()
    }
    quick = replace(wires.fresh(), latency=wires.latency / c, up=wires.up * c, down=wires.down * c, links=links,
                    routes={})  # fmt: skip
    slow, fast = simulated(programs, wires), simulated(programs, quick, seconds=lambda t, who, work: work / c)
    assert {t: end / c for t, end in slow.ends.items()} == fast.ends


@BENCH
@given(st.integers(1, 6), st.integers(1, 4), st.data())
def test_latency_never_makes_a_chain_earlier(n, rounds, data):
    """Work, and a message on to the next: every arrival is a sum, so it grows by the latency of each hop."""
    eighth = st.integers(0, 16).map(lambda k: k / 8)
    chain = [step for i in range(n) for step in ((i, 1.0), (i, i + 1, 2))]
    programs = [program(n + 1, *chain) for _ in range(rounds)]
    lower = data.draw(st.lists(eighth, min_size=n + 1, max_size=n + 1))
    more = data.draw(st.lists(eighth, min_size=n + 1, max_size=n + 1))
    early = simulated(programs, lines(n + 1, lower, 1.0, 1.0))
    late = simulated(programs, lines(n + 1, np.add(lower, more), 1.0, 1.0))
    grown = sum(more[i] + more[i + 1] for i in range(n))
    assert all(late.ends[t] >= early.ends[t] for t in range(rounds))
    assert late.ends[0] == early.ends[0] + grown == n * 3 + sum(lower[i] + lower[i + 1] for i in range(n)) + grown
