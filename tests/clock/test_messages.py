"""Closed forms of messages on their way: alone, one behind the other, into one line, lost, doubled and held up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.clock.carrier import Carrier
from swarmsim.clock.operations import Program, Send
from swarmsim.clock.simulation import Fate
from tests.clock.programs import lines, program, simulated

RATE = st.sampled_from([0.5, 1.0, 2.0, 4.0, 16.0])
EIGHTHS = st.integers(0, 16).map(lambda k: k / 8)


def arrivals(programs, wires, **options) -> list[float]:
    """Of the messages of round 1, in the order in which they were sent."""
    found = simulated(programs, wires, **options).journeys[0]
    return [found[k].arrived for k in sorted(found)]


@settings(deadline=None)
@given(RATE, RATE, st.one_of(st.none(), RATE), st.integers(1, 9), EIGHTHS)
def test_alone_takes_latency_and_the_bytes_over_the_narrowest_rate(up, down, bandwidth, size, latency):
    wires = lines(2, [latency, 0.5], up, down, {(0, 1): (None, bandwidth)})
    narrowest = min(rate for rate in (up, down, bandwidth) if rate)
    (arrived,) = arrivals([program(2, (0, 1, size))], wires)
    assert arrived == latency + 0.5 + size / narrowest == wires.alone(0, 1, size)


def test_a_link_replaces_the_latency_of_the_lines_in_its_direction_alone():
    wires = lines(2, 1.0, 4.0, 4.0, {(0, 1): (0.25, None)})
    assert arrivals([program(2, (0, 1, 4), (1, 0, 4))], wires) == [1.25, 1.25 + 3]


@settings(deadline=None)
@given(st.integers(1, 7), RATE, st.integers(1, 9), EIGHTHS)
def test_k_equal_messages_into_one_downlink_arrive_one_behind_the_other(k, down, size, latency):
    """Incast: the j-th is there after latency + j S / down, in the order of the senders."""
    wires = lines(k + 1, [latency] * k + [0.0], 16.0, down)
    found = arrivals([program(k + 1, *[(i, k, size) for i in reversed(range(k))])], wires)[::-1]
    assert found == [latency + (j + 1) * size / down for j in range(k)]


@settings(deadline=None)
@given(st.integers(1, 7), RATE, st.integers(1, 9))
def test_one_uplink_serves_its_messages_one_behind_the_other(k, up, size):
    wires = lines(k + 1, 0.25, up, 16.0)
    found = arrivals([program(k + 1, *[(0, i + 1, size, 9) for i in range(k)])], wires)
    assert found == [0.5 + (j + 1) * size / up for j in range(k)]


def test_a_slow_sender_takes_of_a_fast_line_only_what_its_bytes_need():
    """8 bytes at 1 byte/s from 0 come in over 8 s; those of 1, at full speed, do not wait for them."""
    wires = lines(3, 0.0, [1.0, 16.0, 16.0], 16.0)
    assert arrivals([program(3, (0, 2, 8, 9), (1, 2, 8))], wires) == [8, 0.5]


def test_both_directions_of_a_line_are_apart():
    assert arrivals([program(2, (0, 1, 4, 2), (1, 0, 4))], lines(2, 0.0, 1.0, 1.0)) == [4, 4]


@pytest.mark.parametrize("lost", [0, 1, 3])
def test_a_lost_attempt_takes_its_time_on_the_line_and_until_no_answer_came(lost):
    """Each: S / up to send it, and a latency there and back to notice; the one that arrives takes the usual time."""
    wires = lines(2, 0.5, 2.0, 8.0)
    found = arrivals([program(2, (0, 1, 4))], wires, fates=lambda *_: Fate(lost))
    assert found == [lost * (2 + 2 * 1) + 1 + 2]


def test_what_is_sent_while_an_attempt_is_missed_overtakes_it():
    wires = lines(3, 0.5, 2.0, 8.0)
    one = program(3, (0, 1, 4, 9), (0, 2, 4))
    found = arrivals([one], wires, fates=lambda t, src, dst, k: Fate(int(dst == 1)))
    assert found == [2 + 2 + 1 + 2, 2 + 1 + 2]


def test_a_copy_takes_the_time_of_its_bytes_on_every_line_and_nobody_waits_for_it():
    wires = lines(2, 0.5, 2.0, 2.0)
    one = program(2, (0, 1, 4, 2), (0, 1, 4))
    assert arrivals([one], wires, fates=lambda t, src, dst, k: Fate(copies=int(k == 0))) == [3, 3 + 2 + 2]


def test_who_is_held_up_is_late_by_that_and_others_overtake_it():
    one = program(2, (0, 1, 4, 2), (0, 1, 4, 9))
    found = arrivals([one], lines(2, 0.5, 2.0, 8.0), fates=lambda t, src, dst, k: Fate(late=5.0 * (k == 0)))
    assert found == [3 + 5, 3 + 2]


def test_what_the_schedule_lost_has_no_other_fate():
    """It counts among the messages of its pair all the same, as it does in the ledger."""
    one = Program(((Send(0, 1, 4, "lost_weights"), Send(1, 1, 4, "weights")), ()))
    seen = []

    def fates(*address):
        seen.append(address)
        return Fate(1)

    assert arrivals([one], lines(2, 0.0, 4.0, np.inf), fates=fates) == [1, 3]
    assert seen == [(0, 0, 1, 1)]


# ------------------------------------------------------------------------------- jitter


def test_jitter_is_lognormal_addressed_and_of_the_latency_alone():
    wires = lines(3, 0.5, 2.0, 2.0)
    wires.jitter, wires.seed = 0.3, 7
    drawn = np.log([wires.delay(0, 1, t, k) for t in range(40) for k in range(50)])
    assert abs(drawn.mean()) < 3 * 0.3 / 2000**0.5
    assert drawn.std() == pytest.approx(0.3, rel=3 / 4000**0.5)
    assert len(set(drawn)) == 2000
    assert wires.delay(1, 0, 0, 0) != wires.delay(0, 1, 0, 0) == wires.fresh().delay(0, 1, 0, 0)
    (arrived,) = arrivals([program(3, (0, 1, 4))], wires)
    assert arrived == pytest.approx(wires.delay(0, 1, 0, 0) + 2, rel=1e-15)


# ------------------------------------------------------------------------------- the protocol's carrier


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 5), st.lists(st.integers(0, 8), min_size=1, max_size=3), st.data())
def test_a_carrier_broadcasts_as_the_simulation_sends(n, sizes, data):
    """Kind by kind, receiver by receiver; an empty kind is no message."""
    each = st.lists(RATE, min_size=n, max_size=n)
    latency = data.draw(st.lists(EIGHTHS, min_size=n, max_size=n))
    wires = lines(n, latency, data.draw(each), data.draw(each))
    found = Carrier(wires, sizes).broadcast(0, 0, range(n), 3.0)
    one = program(n, (0, 3.0), *[(0, i, size, 9) for size in sizes if size for i in range(1, n)])
    journeys = simulated([one], wires.fresh()).journeys.get(0, {}).values()
    expected = {i: max([3.0, *(one.arrived for one in journeys if one.dst == i)]) for i in range(n)}
    assert found == expected


@settings(deadline=None)
@given(st.lists(st.integers(0, 8), min_size=1, max_size=3), RATE, RATE)
def test_a_whole_model_alone_takes_all_its_bytes_over_the_narrowest_rate(sizes, up, down):
    wires = lines(2, 0.25, up, down)
    one = program(2, *[(0, 1, size, 9) for size in sizes if size])
    found = arrivals([one], wires) if any(sizes) else [0.0]
    assert Carrier(wires, sizes).alone(0, 1) == max(found)
    assert Carrier(wires, sizes).alone(1, 1) == 0.0
