"""Rounds that are stretches of time: against a simulation of events that knows no rounds."""

from __future__ import annotations

import dataclasses
import heapq
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.asynchrony import by_clock, trainings
from swarmsim.clock.lines import Network
from swarmsim.clock.pace import Pace
from swarmsim.clockwork import Clockwork
from swarmsim.schedule.faults import Faults
from swarmsim.types import InputError, Schedule
from tests.jobs import job, mixing, quadratic, ring, run
from tests.methods import method

LR = 0.25
INF = float("inf")


def asynchronous(targets, seconds, latency, w, rounds, most, length=None, down=None, faults=None):
    """(job, clock) on the quadratic: a training of i takes seconds[i], a message `latency` whatever its size."""
    shards, n = quadratic(targets), len(targets)
    algorithm = method("swarm/async_dpsgd", lr=LR, batch=None, momentum=0.0, weight_decay=0.0, max_delay=64)
    work = job(algorithm, shards, mixing=w, rounds=rounds)
    pace = Pace(participants={name: {"seconds_per_step": s} for name, s in zip(work.names, seconds, strict=True)})
    network = Network(preset=None, latency=latency / 2, up=1e15, down=1e15)
    clockwork = Clockwork(SimpleNamespace(pace=pace, network=network), work, None, None)
    said = Faults.model_validate({"delay": {"use": "clock", "most": most, "seconds": length}, **(faults or {})})
    calm = Schedule((w,), np.zeros(rounds, np.int64), down)
    made = by_clock(said, calm, clockwork, [1] * n, rounds, None, "async")
    work = dataclasses.replace(work, schedule=made)
    return work, clockwork.clock(work)


def events(targets, seconds, latency, w, until):
    """Models at a time [n]: everybody trains, sends, and mixes the newest models that it has received; no rounds."""
    n, w = len(targets), w.dense()
    x, got = np.zeros(n), np.zeros((n, n))  # got[i, j]: the newest model of j at i
    queue = [(s, 1, i, 0.0, -1) for i, s in enumerate(seconds)]
    heapq.heapify(queue)
    while queue and queue[0][0] <= until:
        time, kind, i, value, j = heapq.heappop(queue)
        if kind == 0:  # a message of j arrives at i, before whoever finishes at that moment mixes
            got[i, j] = value
            continue
        y = x[i] - LR * (x[i] - targets[i])
        got[i, i] = y
        for k in np.flatnonzero(w[:, i]).tolist():
            if k != i:
                heapq.heappush(queue, (time + latency, 0, k, y, i))
        x[i] = w[i] @ got[i]
        heapq.heappush(queue, (time + seconds[i], 1, i, 0.0, -1))
    return x


@settings(deadline=None, max_examples=30)
@given(
    seconds=st.lists(st.integers(64, 500), min_size=3, max_size=6, unique=True),
    latency=st.integers(0, 300),
    rounds=st.integers(1, 12),
)
def test_rounds_are_the_events_of_a_clock(seconds, latency, rounds):
    """No two things happen at one moment: trainings take odd sixty-fourths, messages even ones and a bit."""
    seconds = [(2 * s + 1) / 64 for s in seconds]
    latency = (2 * latency + 0.3) / 64
    targets, w = [float(i * i) for i in range(len(seconds))], ring(len(seconds))
    work, _ = asynchronous(targets, seconds, latency, w, rounds, 64, length=min(seconds))
    wanted = events(targets, seconds, latency, w, rounds * min(seconds) * (1 + 1e-12))
    assert run(work).params[:, 0] == pytest.approx(wanted, abs=1e-9)


def test_the_clock_says_when_trainings_end_and_counts_what_was_sent():
    """0 trains in 1 s, 1 in 2 s, 2 in 3 s: in six rounds they finish 6, 3 and 2 times, and send to two others."""
    work, clock = asynchronous([0.0, 1.0, 2.0], [1.0, 2.0, 3.0], 0.1, ring(3), 6, 8, length=1.0)
    assert [len(work.schedule.tick(t).awake(range(3))) for t in range(6)] == [1, 2, 2, 2, 1, 3]
    assert [clock.until(t).time for t in range(6)] == pytest.approx([1, 2, 3, 4, 5, 6])
    done = run(work)
    assert [sum(line.messages for line in each.traffic) for each in done.rounds] == [2, 4, 4, 4, 2, 6]
    assert [each.traffic for each in done.rounds] == [clock.program(t).traffic for t in range(6)]
    assert clock.busy[0] == pytest.approx(6)


def test_ages_by_hand():
    """Rounds of 1 s, a way of 1.5 s: what was sent at 1 is there at 2.5, in time for who finishes at 3."""
    work, _ = asynchronous([0.0, 1.0], [1.0, 1.0], 1.5, mixing([[0.5, 0.5], [0.5, 0.5]]), 5, 2, length=1.0)
    ages = [work.schedule.tick(t).ages.tolist() for t in range(5)]
    assert ages == [[0, 1, 1, 0], [0, 2, 2, 0], [0, 2, 2, 0], [0, 2, 2, 0], [0, 2, 2, 0]]


def test_who_is_fast_trains_once_a_round():
    ends = trainings(np.array([0.25, 1.0, 2.5]), 1.0, 5)
    assert ends[:, 0].tolist() == [0.25, 1.25, 2.25, 3.25, 4.25]
    assert ends[:, 1].tolist() == [1, 2, 3, 4, 5]
    assert ends[:, 2].tolist() == [INF, INF, 2.5, INF, 5]


def test_who_is_away_sends_nothing_and_loses_what_it_trained():
    down = np.ones((6, 3), dtype=bool)
    down[2:4, 0] = False
    work, _ = asynchronous([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], 0.25, ring(3), 6, 8, length=1.0, down=down)
    assert [work.schedule.tick(t).awake(range(3)) for t in (1, 2, 3, 4)] == [(0, 1, 2), (1, 2), (1, 2), (0, 1, 2)]
    assert all(src != 0 for t in (2, 3) for src, _ in work.schedule.tick(t).sends)
    row = work.schedule.tick(3)
    columns, _ = row.mixing.row(1)
    ages = dict(zip(columns.tolist(), row.ages[row.mixing.starts[1] : row.mixing.starts[2]].tolist(), strict=True))
    assert ages == {0: 2, 1: 0, 2: 1}  # of 0 it has what was sent in round 2 (from 0: 1)


def test_without_seconds_a_round_is_the_fastest_training_or_what_most_needs():
    w = ring(3)
    work, _ = asynchronous([0.0, 1.0, 2.0], [1.0, 2.0, 3.0], 0.5, w, 4, 4)
    assert work.schedule.ends[:, 0].tolist() == [1, 2, 3, 4]
    work, _ = asynchronous([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], 5.0, w, 4, 2)
    assert work.schedule.ends[:, 0].tolist() == pytest.approx([1, 4, 7, 10])  # rounds of (1 + 5) / 2 seconds


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"most": 1, "length": 0.5},
            r"in round 2 a model would be 2 rounds old, and most is 1; .* write seconds: 1 or",
        ),
        ({"most": 4, "faults": {"link_loss": {"use": "independent", "probability": 0.1}}}, "leave link_loss out"),
        ({"most": 4, "faults": {"straggling": {"probability": 0.1, "factor": 2}}}, "leave straggling out"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        asynchronous([0.0, 1.0, 2.0], [1.0, 1.0, 1.0], 0.1, ring(3), 6, **options)
