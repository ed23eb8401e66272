"""What the clock says in numbers and in words."""

from __future__ import annotations

from collections import Counter

import pytest

from swarmsim.clock.operations import Compute, Program, Send, Wait
from swarmsim.clock.path import Cause
from swarmsim.clock.words import in_seconds, waited_for
from tests.log.clocks import a_clock

NAMES = ("A", "B", "C")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"), (64e-6, "64 us"), (1.4e-6, "1 us"), (0.0482, "48.2 ms"), (999.4e-6, "999 us"), (999.6e-6, "1.0 ms"),
        (0.99949, "999.5 ms"), (0.9996, "1.0 s"), (12.74, "12.7 s"), (59.94, "59.9 s"), (59.96, "1 min 0 s"),
        (184, "3 min 4 s"), (3599.4, "59 min 59 s"), (3599.6, "1.0 h"), (7560, "2.1 h"), (86400 * 3.4, "3.4 d"),
    ],
)  # fmt: skip
def test_lengths_of_time(seconds, said):
    assert in_seconds(seconds) == said


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ({Cause("up", 2): 62, Cause("compute", 0): 38}, "62 % of the time is C's uplink"),
        ({Cause("compute", 0): 1}, "100 % of the time is computing at A"),
        (
            {Cause("latency", 0, 1): 4, Cause("latency", 1, 0): 3, Cause("latency", 2, 0): 2, Cause("compute", 0): 1},
            "90 % of the time is latency, most of all the latency from A to B (40 %)",
        ),
        ({Cause("link", 0, 2): 2, Cause("hold", 1): 1}, "67 % of the time is the link from A to C"),
        ({}, ""),
    ],
)
def test_the_longest_part_of_the_path(path, said):
    assert waited_for(path, NAMES) == said


def test_rounds_add_up_and_are_followed_only_once():
    account = a_clock(rounds=4)
    with pytest.raises(IndexError):
        _ = account.clock.moments[0]
    account.until(2)
    account.until(1)
    assert (account.rounds, account.flops, account.totals) == (2, [10, 14], [0, 12, 24])
    assert (account.seconds, account.round_seconds) == (19.5, 7.0)
    assert [journey.key for journey in account.messages] == [(0, 0), (1, 0)]
    account.until(4)
    assert (account.seconds, account.round_seconds) == (33.5, 7.0)
    assert account.clock.last == Counter({1: 4})


def test_a_summary():
    account = a_clock()
    assert account.summary() == {"seconds": 0.0, "idle": {}, "critical_path": [], "words": ""}
    account.until(2)
    found = account.summary()
    assert found["seconds"] == 19.5
    assert found["idle"] == pytest.approx({"A": 1 - 10 / 19.5, "B": 1 - 14 / 19.5})
    shares = {each["what"]: each["share"] * 19.5 for each in found["critical_path"]}
    assert shares == pytest.approx({
        "computing at B": 10, "computing at A": 5, "A's uplink": 2, "B's downlink": 2, "the latency from A to B": 0.5,
    })  # fmt: skip
    assert found["words"] == "51 % of the time is computing at B"


def test_idle_time_counts_what_is_not_over_yet():
    """A is in the middle of a later round when B ends the first."""
    program = Program(((Compute(2), Send(0, 1, 8, "weights"), Compute(9)), (Wait(0), Compute(1))))
    account = a_clock(rounds=3, program=program)
    for t in (1, 2, 3):
        account.until(t)
        alone = a_clock(rounds=3, program=program)
        alone.until(3)
        now, spans = account.seconds, [s for who, s, _ in alone.clock.timeline if who == 0 and s.what == "compute"]
        busy = sum(max(0.0, min(span.end, now) - span.begin) for span in spans)
        assert account.clock.idle()["A"] == pytest.approx(1 - busy / now, abs=1e-12)


def test_waiting_for_what_was_sent_long_ago():
    program = Program(((Compute(1), Send(0, 1, 8, "weights")), (Compute(1), Wait((0, 1), 1))), (), {(0, 1): 0})
    account = a_clock(rounds=200, program=program)
    account.until(200)
    assert len(account.messages) == 200
    assert all(journey.arrived is not None for journey in account.messages[:-1])
