"""The merge protocol decides by a clock of its own; the clock of the run says the same, or later, never earlier.

A round of the protocol is over with its merge, at `plan.time`; one of the clock when everybody who is not late has done
its part of it: E(t) = max(E(t-1), begins_i + training_i of those who begin to train and are not late, plan.time, and
plan.time + the way from the leader to each receiver). Who is late trains on; who leads meanwhile leads beside it.
A round without a merge is over with its training: contributions that wait, or are thrown away, are not sent.

The relation is exact where nobody takes the last merge from one who trains at that time, or from another than the
protocol thought, and nobody is in a merge without training for it: the protocol counts a kept snapshot, or who stays
on behind its last round, in every merge, and does not wait for what they send. There the clock may be later.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from swarmsim.algorithms.swarm.leader_merge import LeaderMerge
from swarmsim.clock.wires import Wires
from swarmsim.models.mlp import Mlp
from swarmsim.schedule.build import schedule
from swarmsim.schedule.faults import Faults
from swarmsim.timetable import planned
from swarmsim.types import Schedule
from tests.clock.clocks import clockwork_of, ends
from tests.clock.programs import lines
from tests.jobs import blobs, job

ROUNDS = 8
CASES = settings(deadline=None, max_examples=30)
EIGHTHS = st.integers(1, 12).map(lambda k: k / 8)


@st.composite
def protocols(draw, n: int):
    """Arguments of a leader merge, and faults; institution i is so many times as slow as usual."""
    given = {
        "leader": draw(st.sampled_from(["rotation", "random", "first_to_finish"])),
        "min_peers": draw(st.integers(1, n)), "no_quorum": draw(st.sampled_from(["skip", "wait"])),
    }  # fmt: skip
    if draw(st.integers(0, 3)):
        given |= {"wait": draw(EIGHTHS), "late": draw(st.sampled_from(["drop", "keep", "next"]))}
    if draw(st.booleans()):
        at_end = draw(st.sampled_from(["leave", "keep_snapshot", "stay_active"]))
        given |= {"ends": {"institution-0": draw(st.integers(2, 6))}, "at_end": at_end}
    faults = {}
    if draw(st.booleans()):
        faults["churn"] = {"use": "markov", "mean_up": 4, "mean_down": 2}
    if n > 2 and draw(st.booleans()):
        faults["partitions"] = [{"groups": [["institution-1", "institution-2"]], "from": 3, "until": 6}]
    return given, faults, [2.0 ** draw(st.integers(0, 2)) for _ in range(n)]


def planned_on(wires: Wires, given: dict, faults: dict, slow, seed: int = 0):
    """(plans, training seconds [rounds, n], clock): the linear model, 32 examples, 2.25 s if nobody is slow."""
    n = len(slow)
    work = job(LeaderMerge(lr=0.1, batch=16, **given), blobs((32,) * n), Mlp(hidden=()), rounds=ROUNDS, seed=seed)
    section = Faults.model_validate(faults)
    pace = {"flops_per_second": 1024.0, "slow": dict(zip(work.names, slow, strict=True))}
    clockwork = clockwork_of(work, None, pace)
    clockwork.wires = wires
    calm, _ = schedule(Schedule(), section, work.names, ROUNDS, seed)
    made = planned(work.algorithm, calm, work.names, work.sizes, ROUNDS, seed, clockwork, section)
    training = clockwork.times.of_training(np.full((ROUNDS, n), 2))
    return made.plans, training, clockwork.clock(replace(work, schedule=made))


def exact(plans, training, wires) -> tuple[list[float], bool]:
    """(E(t) as above, whether the relation may be inexact)"""
    over, moment, busy, torn, led = [], 0.0, np.zeros(training.shape[1]), False, 0
    for t, plan in enumerate(plans):
        before = plans[t - 1].time if t else 0.0
        if plan.catches_up:
            gone = {i for i, why in plan.left_out if why in ("asleep", "cut off")}
            torn |= bool(busy[led] > before) or led in gone or not set(plan.catches_up) <= set(plan.trains)
        for i, begins in zip(plan.trains, plan.begins, strict=True):
            busy[i] = begins + training[t, i]
            moment = max(moment, 0.0 if i in plan.late else busy[i])
        if plan.contributors:
            kept = {i for i, _ in plan.contributors} - set(plan.receivers)
            torn |= bool(kept) or any(i not in plans[t - age].trains for i, age in plan.contributors)
            ways = [wires.alone(plan.leader, i, 0) for i in plan.receivers if i != plan.leader]
            moment, led = max(moment, plan.time + max([0.0, *ways])), plan.leader
        over.append(moment)
    return over, torn


@CASES
@given(st.integers(2, 5), st.data())
def test_rounds_end_when_the_plan_says_and_all_have_what_was_sent(n, data):
    """Lines are endless and have latencies, so that no message stands in another's way."""
    given, faults, slow = data.draw(protocols(n))
    wires = lines(n, data.draw(st.lists(EIGHTHS, min_size=n, max_size=n)))
    plans, training, clock = planned_on(wires, given, faults, slow, data.draw(st.integers(0, 9)))
    expected, torn = exact(plans, training, wires)
    event(f"the relation may be inexact: {torn}")
    found = ends(clock)
    assert all(a >= b for a, b in zip(found, expected, strict=True))
    assert torn or found == expected


@CASES
@given(st.integers(2, 5), st.data())
def test_the_clock_is_never_earlier_than_the_plan(n, data):
    """With lines that have ends too: leaders hold until the merge, and who begins to train until it may."""
    given, faults, slow = data.draw(protocols(n))
    rate = st.sampled_from([16.0, 64.0, 512.0])
    each = [data.draw(st.lists(kind, min_size=n, max_size=n)) for kind in (EIGHTHS, rate, rate)]
    plans, _, clock = planned_on(lines(n, *each), given, faults, slow)
    found = ends(clock)
    assert all(over >= plan.time for over, plan in zip(found, plans, strict=True) if plan.contributors)
    for who, stretch, _ in clock.timeline:
        plan = plans[stretch.round]
        assert stretch.what != "compute" or stretch.begin >= plan.begins[plan.trains.index(who)]
    for one in (journey for *_, journey in clock.timeline if journey is not None):
        merge = plans[one.key[0]]
        caught_up = one.dst in merge.catches_up and one.sent < merge.time
        assert one.src != merge.leader or caught_up or one.sent >= merge.time


@CASES
@given(st.integers(2, 6), st.sampled_from([16.0, 64.0, 512.0]), st.data())
def test_while_all_wait_for_all_the_two_agree_on_any_lines(n, rate, data):
    """Every contribution, one behind the other into the leader's line, is there at the merge; the last one is it."""
    leader = data.draw(st.sampled_from(["rotation", "random"]))
    wires = lines(n, data.draw(st.lists(EIGHTHS, min_size=n, max_size=n)), rate, rate)
    plans, _, clock = planned_on(wires, {"leader": leader, "min_peers": n}, {}, [1.0] * n)
    found = ends(clock)
    for t, plan in enumerate(plans):
        journeys = clock.messages(t)
        coming = [one.arrived for one in journeys if one.dst == plan.leader]
        going = [one.arrived for one in journeys if one.src == plan.leader]
        assert (len(coming), len(going)) == (n - 1, n - 1)
        assert max(coming) <= plan.time
        assert found[t] == max(going)


@CASES
@given(st.integers(3, 5), st.data())
def test_who_contributes_is_there_before_the_merge_and_who_is_late_is_not(n, data):
    """By the plan's own figures: begins + training + the way to the leader, on endless lines."""
    given, faults, slow = data.draw(protocols(n))
    assume("wait" in given and "ends" not in given)
    wires = lines(n, data.draw(st.lists(EIGHTHS, min_size=n, max_size=n)))
    plans, training, _ = planned_on(wires, given, faults, slow)
    done: dict[int, tuple[int, float]] = {}
    for t, plan in enumerate(plans):
        for i, begins in zip(plan.trains, plan.begins, strict=True):
            done[i] = t, begins + training[t, i]
        for i, age in plan.contributors:
            assert done[i][0] == t - age
            assert done[i][1] + way(wires, i, plan.leader) <= plan.time
        late = [i for i, why in plan.left_out if why == "late" and plan.contributors]
        assert all(done[i][1] + way(wires, i, plan.leader) > plan.time for i in late)


def way(wires: Wires, i: int, leader: int) -> float:
    return 0.0 if i == leader else wires.alone(i, leader, 0)


def test_a_window_that_always_shuts_before_the_slowest_is_seen_on_the_clock():
    """Two are quick, and the third never makes it: all of its models reach the leader behind the merge, if at all."""
    given = {"leader": "fixed", "leader_name": "institution-0", "min_peers": 2, "wait": 0.5}
    plans, training, clock = planned_on(lines(3, 0.25), given, {}, [1.0, 1.0, 4.0])
    assert all(dict(plan.left_out) in ({2: "late"}, {2: "thrown away"}) for plan in plans)
    assert ends(clock) == exact(plans, training, lines(3, 0.25))[0]
    assert {one.src for *_, one in clock.timeline if one is not None and one.dst == 0} == {1}


def test_who_was_away_begins_when_the_protocol_says_and_not_when_all_are_through():
    """The others are through when they have the merge, far away; who is back in round 3 does not wait for that."""
    given = {"leader": "fixed", "leader_name": "institution-0", "min_peers": 2, "wait": 0.25}
    faults = {"churn": {"use": "trace", "rows": {"institution-2": [1, 0] + [1] * (ROUNDS - 2)}}}
    wires = lines(4, [0.25, 2.0, 0.25, 0.25])
    plans, training, clock = planned_on(wires, given, faults, [1.0, 1.0, 1.0, 4.0])
    found = ends(clock)
    assert plans[2].begins[plans[2].trains.index(2)] == plans[1].time + 0.5 < found[1]
    begun = [stretch.begin for who, stretch, _ in clock.timeline if (who, stretch.what) == (2, "compute")]
    assert begun[1] == plans[1].time + 0.5
    assert found == exact(plans, training, wires)[0]
