"""The leader-merge protocol against timelines worked out by hand.

Unless a test says otherwise a training period takes A 1, B 2 and C 5 seconds.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from swarmsim.schedule.merging import merge_plans, period_steps
from swarmsim.schedule.presence import Presence, merge_events, presence
from swarmsim.schedule.protocol import Protocol, Sync
from swarmsim.types import Event, InputError, SwarmsimError

A, B, C, D = range(4)
NAMES = ("A", "B", "C", "D")


def planned(rounds=3, seconds=(1, 2, 5), awake=None, sides=None, seed=0, **written):
    """Plans; seconds [n] or [rounds, n]; awake and sides are one text a round, such as `110`: C is away."""
    durations = np.broadcast_to(np.array(seconds, dtype=float), (rounds, np.shape(seconds)[-1]))
    active = None if awake is None else np.array([[mark == "1" for mark in each] for each in awake])
    apart = None if sides is None else np.array([[int(mark) for mark in each] for each in sides])
    protocol = Protocol.model_validate(written)
    return merge_plans(protocol, durations, NAMES[: durations.shape[1]], seed, active, apart)


def times(plans):
    return [plan.time for plan in plans]


def inside(plans):
    return [plan.contributors for plan in plans]


def outside(plans):
    return [plan.left_out for plan in plans]


def test_a_merge_of_everybody_waits_for_the_slowest():
    plans = planned()
    assert times(plans) == [5, 10, 15]
    assert inside(plans) == [((A, 0), (B, 0), (C, 0))] * 3
    assert outside(plans) == [()] * 3
    assert [plan.trains for plan in plans] == [plan.receivers for plan in plans] == [(A, B, C)] * 3
    assert [plan.leader for plan in plans] == [A, B, C]


def test_who_finishes_first_leads():
    """The slowest is first in round 2, when it is still at the period that it began in round 1."""
    plans = planned(3, [[3, 1, 2], [1, 2, 9], [4, 4, 4]], leader="first_to_finish")
    assert [plan.leader for plan in plans] == [B, A, A]
    assert [plan.deposed for plan in planned(2, leader="first_to_finish", awake=["011", "111"])] == [None, None]
    late = planned(3, [5, 2, 3], leader="first_to_finish", min_peers=2, wait=0, late="next")
    assert [plan.leader for plan in late] == [B, A, C]  # A and B have theirs at 5; C, at it since 3, at 6


def test_a_quorum_of_one_merges_at_once():
    """A is ready at 1, 2, 3, 4; B, ready at 2, trained from nothing merged: thrown away, begins again, 4, again, ..."""
    plans = planned(rounds=5, min_peers=1, wait=0)
    assert times(plans) == [1, 2, 3, 4, 5]
    assert inside(plans) == [((A, 0),)] * 5
    assert outside(plans) == [
        ((B, "late"), (C, "late")),
        ((B, "thrown away"), (C, "late")),
        ((B, "late"), (C, "late")),
        ((B, "thrown away"), (C, "late")),
        ((B, "late"), (C, "thrown away")),
    ]
    assert [plan.trains for plan in plans] == [(A, B, C), (A, B), (A,), (A, B), (A, C)]
    assert [plan.catches_up for plan in plans] == [(), (B,), (), (B,), (C,)]
    assert [plan.receivers for plan in plans] == [(A,)] * 5


def test_a_quorum_of_two_waits_for_the_second():
    plans = planned(rounds=3, min_peers=2, wait=0)
    assert times(plans) == [2, 4, 6]
    assert inside(plans) == [((A, 0), (B, 0))] * 3
    assert outside(plans) == [((C, "late"),), ((C, "late"),), ((C, "thrown away"),)]
    assert [plan.trains for plan in plans] == [(A, B, C), (A, B), (A, B, C)]


def test_waiting_lets_others_in():
    """The quorum of one is there at 1; with three seconds more B (2) is in and C (5) is not; with four C is just in."""
    assert inside(planned(1, wait=3)) == [((A, 0), (B, 0))]
    assert times(planned(1, wait=3)) == [4]
    assert inside(planned(1, wait=4)) == [((A, 0), (B, 0), (C, 0))]
    assert times(planned(1, wait=100)) == [5]  # nobody is left to wait for


def test_late_contributions_are_kept_with_their_age():
    """C is ready at 5, as A is: the merge of round 3 has it, two rounds old. B, ready at 6, is in the next, one old."""
    for late in ("keep", "next"):
        plans = planned(rounds=6, min_peers=2, wait=0, late=late)
        assert times(plans) == [2, 4, 5, 6, 8, 10]
        assert inside(plans) == [
            ((A, 0), (B, 0)), ((A, 0), (B, 0)), ((A, 0), (C, 2)), ((A, 0), (B, 1)), ((A, 0), (B, 0)),
            ((A, 0), (B, 0), (C, 2)),
        ]  # fmt: skip
        assert [plan.trains for plan in plans] == [(A, B, C), (A, B), (A, B), (A, C), (A, B), (A, B)]
        assert outside(plans)[2] == ((B, "late"),)
        assert plans[2].receivers == (A, C)
        assert not any(plan.catches_up for plan in plans)


def test_ages_weigh_only_where_it_is_said():
    assert [Protocol(late="keep", wait=0, age_weight=0.5).weight(age) for age in (0, 1, 3)] == [1, 0.5, 0.125]
    assert Protocol(late="next", wait=0).weight(3) == Protocol().weight(3) == 1


def test_a_sleeper_comes_back_to_the_last_merge():
    plans = planned(4, awake=["111", "110", "110", "111"])
    assert times(plans) == [5, 7, 9, 14]
    assert outside(plans) == [(), ((C, "asleep"),), ((C, "asleep"),), ()]
    assert plans[3].catches_up == (C,)
    assert plans[3].contributors == ((A, 0), (B, 0), (C, 0))


def test_a_late_joiner_starts_from_what_was_merged():
    plans = planned(2, awake=["011", "111"])
    assert plans[0].trains == (B, C)
    assert plans[1].catches_up == (A,)
    assert planned(2, awake=["000", "111"])[1].catches_up == ()  # nothing was merged: all start alike


def test_falling_asleep_breaks_training_off():
    """C is at its first period when it falls asleep in round 2; what it did until then is in no merge."""
    plans = planned(4, min_peers=2, wait=0, late="keep", awake=["111", "110", "111", "111"])
    assert outside(plans)[:3] == [((C, "late"),), ((C, "asleep"),), ((C, "late"),)]
    assert plans[2].trains == (A, B, C)
    assert plans[2].catches_up == (C,)


def test_leaders():
    order = [plan.leader for plan in planned(5)]
    assert order == [A, B, C, A, B]
    assert [plan.leader for plan in planned(4, never_lead=["A"])] == [B, C, B, C]
    assert [plan.leader for plan in planned(3, leader="first_to_finish")] == [A, A, A]
    assert [plan.leader for plan in planned(3, leader="first_to_finish", never_lead=["A"])] == [B, B, B]
    assert [plan.leader for plan in planned(3, leader="fixed", leader_name="C")] == [C, C, C]
    drawn = [plan.leader for plan in planned(300, leader="random")]
    assert drawn[:50] == [plan.leader for plan in planned(50, leader="random")]
    assert drawn != [plan.leader for plan in planned(300, leader="random", seed=1)]
    assert all(abs(drawn.count(i) - 100) < 3 * (300 * 2 / 9) ** 0.5 for i in (A, B, C))


def test_a_leader_that_goes_down_is_replaced_and_it_is_noted():
    plans = planned(3, awake=["111", "101", "111"])
    assert [(plan.leader, plan.deposed) for plan in plans] == [(A, None), (C, B), (C, None)]
    assert list(merge_events(plans, NAMES)) == [Event(2, "deposed", "B", "away; C leads")]
    plans = planned(2, leader="fixed", leader_name="C", awake=["111", "110"])
    assert [(plan.leader, plan.deposed) for plan in plans] == [(C, None), (A, C)]


def test_nobody_may_lead():
    plans = planned(3, never_lead=["A", "B"], wait=0, awake=["111", "110", "111"])
    assert [plan.leader for plan in plans] == [C, None, C]
    assert times(plans) == [1, 4, 5]  # without a leader until B, thrown away at 2, is through again
    assert plans[1].contributors == plans[1].receivers == ()
    assert plans[1].left_out == ((A, "no leader"), (B, "no leader"), (C, "asleep"))
    assert Event(2, "no merge", "all", "no leader") in list(merge_events(plans, NAMES))


def test_a_missed_quorum_is_skipped_and_all_train_on():
    plans = planned(3, min_peers=3, awake=["111", "110", "111"])
    assert times(plans) == [5, 7, 12]
    assert inside(plans)[1] == ()
    assert outside(plans)[1] == ((A, "no quorum"), (B, "no quorum"), (C, "asleep"))
    assert plans[2].trains == (A, B, C)
    assert plans[2].catches_up == ()  # A and B go on from their own; C has the last merge
    assert list(merge_events(plans, NAMES)) == [Event(2, "no merge", "all", "no quorum")]


def test_a_late_contribution_whose_merge_is_skipped_trains_on():
    plans = planned(3, min_peers=2, wait=0, late="keep", awake=["111", "001", "111"])
    assert times(plans) == [2, 5, 7]
    assert outside(plans) == [((C, "late"),), ((A, "asleep"), (B, "asleep"), (C, "no quorum")), ((C, "late"),)]
    assert plans[2].trains == (A, B, C)
    assert plans[2].catches_up == ()


def test_a_missed_quorum_can_be_waited_for():
    """A and B stand still from 7 on; C, back in round 3, ends at 12, and their contributions are a round old."""
    plans = planned(4, min_peers=3, no_quorum="wait", awake=["111", "110", "111", "111"])
    assert times(plans) == [5, 7, 12, 17]
    assert plans[2].trains == (C,)
    assert inside(plans)[2] == ((A, 1), (B, 1), (C, 0))
    assert plans[3].trains == (A, B, C)


def test_a_missed_quorum_can_end_the_run():
    with pytest.raises(
        SwarmsimError, match=r"round 2: no quorum: 2 of 3 .* min_peers is 3; missing: C \(asleep\)"
    ) as e:
        planned(3, min_peers=3, no_quorum="stop", awake=["111", "110", "111"])
    assert e.value.exit_code == 1
    with pytest.raises(SwarmsimError, match="round 1: no leader"):
        planned(1, never_lead=["A"], no_quorum="stop", awake=["100"])


def test_the_other_side_of_a_parted_network_is_cut_off():
    plans = planned(3, leader="first_to_finish", sides=["000", "011", "000"])
    assert times(plans) == [5, 6, 11]
    assert outside(plans)[1] == ((B, "cut off"), (C, "cut off"))
    assert plans[2].catches_up == (B, C)


def test_who_is_done_leaves():
    plans = planned(3, ends={"C": 1})
    assert times(plans) == [5, 7, 9]
    assert outside(plans) == [(), ((C, "left"),), ((C, "left"),)]
    assert plans[0].receivers == (A, B, C)
    assert [plan.leader for plan in plans] == [A, B, A]  # C's turn is not another one's failure
    assert [plan.deposed for plan in plans] == [None] * 3


def test_who_is_done_leaves_a_snapshot():
    plans = planned(4, ends={"C": 1}, at_end="keep_snapshot", awake=["111", "111", "110", "010"])
    assert inside(plans)[1:3] == [((A, 0), (B, 0), (C, 1)), ((A, 0), (B, 0), (C, 2))]
    assert plans[3].contributors == ((B, 0), (C, 3))
    assert plans[1].receivers == (A, B)
    assert plans[1].trains == (A, B)


def test_a_snapshot_is_of_a_period_that_came_to_its_end():
    plans = planned(3, ends={"C": 1}, at_end="keep_snapshot", min_peers=2, wait=0, awake=["111", "110", "111"])
    assert outside(plans) == [((C, "late"),), ((C, "no model"),), ((C, "no model"),)]


def test_a_snapshot_is_of_the_last_period():
    """C is in the merge of round 1; its last period, begun in round 2, goes on until 11, or is broken off."""
    seconds, written = [(1, 2, 2), *[(1, 2, 9)] * 4], {"ends": {"C": 2}, "at_end": "keep_snapshot"}
    plans = planned(5, seconds, min_peers=2, wait=0, **written)
    assert [plan.time for plan in plans] == [2, 4, 6, 8, 10]
    assert outside(plans) == [(), *[((C, "late"),)] * 4]
    plans = planned(5, seconds, ["111", "111", "110", "111", "111"], min_peers=2, wait=0, **written)
    assert outside(plans) == [(), ((C, "late"),), *[((C, "no model"),)] * 3]


def test_a_snapshot_makes_no_quorum():
    plans = planned(2, ends={"C": 1}, at_end="keep_snapshot", min_peers=2, awake=["111", "100"])
    assert plans[1].contributors == ()
    assert plans[1].left_out == ((A, "no quorum"), (B, "asleep"), (C, "no quorum"))


def test_who_is_done_can_stay():
    plans = planned(4, ends={"C": 1}, at_end="stay_active", min_peers=2, wait=0, awake=["111", "111", "110", "111"])
    assert times(plans) == [2, 4, 6, 7]  # C, first late and then away, makes the quorum of the last one
    assert outside(plans) == [((C, "late"),), ((C, "late"),), ((C, "asleep"),), ((B, "late"),)]
    plans = planned(4, ends={"C": 1}, at_end="stay_active", awake=["111", "111", "110", "111"])
    assert times(plans) == [5, 7, 9, 11]
    assert inside(plans)[1] == ((A, 0), (B, 0), (C, 0))
    assert plans[1].receivers == (A, B, C)
    assert plans[1].trains == (A, B)
    assert outside(plans)[2] == ((C, "asleep"),)
    assert plans[3].catches_up == (C,)
    assert plans[2].leader == A  # C, whose turn it is, sleeps
    assert plans[2].deposed == C


def test_those_who_train_no_more_do_not_merge_alone():
    """C is done at 1 and would be a quorum; A, ready at 2 and thrown away, is ready again at 4."""
    plans = planned(2, (2, 3, 1), ends={"C": 1}, at_end="stay_active", min_peers=1, wait=0)
    assert times(plans) == [1, 4]
    assert inside(plans) == [((C, 0),), ((A, 0), (C, 0))]


def test_periods_by_batches_or_by_seconds():
    seconds = np.array([[1.0, 0.5, 0.1], [1.0, 2.0, 7.0]])
    assert period_steps(Sync(every=4), seconds, 9).tolist() == [[4] * 3] * 2
    assert period_steps(None, seconds, np.array([1, 2, 3])).tolist() == [[1, 2, 3]] * 2
    assert period_steps(Sync(seconds=3), seconds, 9).tolist() == [[3, 6, 30], [3, 1, 1]]
    assert period_steps(Sync(seconds=0.3), np.array([[0.1]]), 9).tolist() == [[3]]  # 0.3 / 0.1 = 2.9999999999999996


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"leader": "fixed"}, "give both or neither"),
        ({"leader_name": "A"}, "give both or neither"),
        ({"leader": "fixed", "leader_name": "A", "never_lead": ["A"]}, "A is to lead and is in never_lead"),
        ({"late": "keep"}, "nobody late"),
        ({"wait": 1, "age_weight": 0.3}, "belongs to late: keep"),
        ({"at_end": "stay_active"}, "give ends"),
        ({"sync": {}}, "one of every and seconds"),
        ({"sync": {"every": 3, "seconds": 2}}, "one of every and seconds"),
        ({"min_peers": 0}, "greater than or equal to 1"),
        ({"wait": -1}, "greater than or equal to 0"),
    ],
)
def test_what_contradicts_itself_is_refused(written, message):
    with pytest.raises(ValidationError, match=message):
        Protocol.model_validate(written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"min_peers": 4}, "min_peers: 4 is more than the 3 institutions"),
        ({"never_lead": ["A", "B", "C"]}, "nobody can lead"),
        ({"never_lead": ["a"]}, r"never_lead: no institution 'a' \(did you mean 'A'"),
        ({"leader": "fixed", "leader_name": "D"}, "leader_name: no institution 'D'"),
        ({"ends": {"E": 1}}, "ends: no institution 'E'"),
        ({"ends": {"A": 4}}, "A trains until round 4, but the run has 3 rounds"),
    ],
)
def test_what_does_not_fit_is_refused(written, message):
    with pytest.raises(InputError, match=message):
        planned(3, **written)


def test_a_hospital_that_is_always_left_out_cannot_be_overlooked():
    """The slowest and largest, D: twenty merges, one every 3 seconds, and none has its patients.

    Of its contributions, ready at 7, 14, ..., 56, each is behind a merge that was made since it began.
    """
    plans = planned(20, seconds=(1, 1, 2, 7), min_peers=3, wait=1)
    assert times(plans) == [3 * t for t in range(1, 21)]
    found = presence(plans, NAMES)
    assert found["A"] == found["B"] == found["C"] == Presence(20, 0, {})
    assert found["D"] == Presence(0, 20, {"late": 12, "thrown away": 8})


# --------------------------------------------------------------------------------------------- whatever happens


PROTOCOLS = st.builds(
    dict,
    leader=st.sampled_from(["rotation", "random", "first_to_finish"]),
    never_lead=st.sampled_from([(), ("A",), ("B", "C")]),
    min_peers=st.integers(1, 4), wait=st.sampled_from([0.0, 1.0, 2.5]), late=st.sampled_from(["drop", "keep", "next"]),
    no_quorum=st.sampled_from(["skip", "wait"]),
    ends=st.dictionaries(st.sampled_from(NAMES), st.integers(1, 8)),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    written=PROTOCOLS, at_end=st.sampled_from(["leave", "keep_snapshot", "stay_active"]),
    seconds=st.lists(st.floats(0.1, 9), min_size=4, max_size=4),
    awake=st.lists(st.text("01", min_size=4, max_size=4), min_size=8, max_size=8),
    sides=st.lists(st.text("01", min_size=4, max_size=4), min_size=8, max_size=8),
)  # fmt: skip
def test_the_plan_is_total(written, at_end, seconds, awake, sides):
    if written["ends"]:
        written = {**written, "at_end": at_end}
    plans = planned(8, seconds, awake, sides, **written)
    assert plans == planned(8, seconds, awake, sides, **written)
    under_way, before = set(), 0.0
    for t, plan in enumerate(plans):
        named = [i for i, _ in plan.contributors] + [i for i, _ in plan.left_out]
        assert sorted(named) == [0, 1, 2, 3]
        assert plan.time >= before
        here = {i for i in range(4) if awake[t][i] == "1"}
        done = {i for i, name in enumerate(NAMES) if t >= written["ends"].get(name, 8)}
        assert set(plan.trains) <= here - done
        assert set(plan.receivers) <= here & {i for i, _ in plan.contributors}
        assert all(0 <= age <= t for _, age in plan.contributors)
        if plan.leader is not None:
            assert plan.leader in here
            assert NAMES[plan.leader] not in written["never_lead"]
            assert {sides[t][i] for i in plan.receivers} <= {sides[t][plan.leader]}
        assert not plan.contributors or len(plan.receivers) >= written["min_peers"]
        under_way |= set(plan.trains)
        fresh = {i for i, _ in plan.contributors} - done
        assert fresh <= under_way  # nobody contributes without having trained
        under_way -= fresh
        before = plan.time
    merged = sum(bool(plan.contributors) for plan in plans)
    for found in presence(plans, NAMES).values():
        assert found.merges + found.left_out == merged
        assert sum(found.reasons.values()) == 8 - found.merges


@settings(max_examples=50, deadline=None)
@given(written=PROTOCOLS, seconds=st.lists(st.floats(0.1, 9), min_size=4, max_size=4))
def test_later_rounds_do_not_change_earlier_ones(written, seconds):
    written = {**written, "ends": {}}
    assert planned(20, seconds, **written)[:9] == planned(9, seconds, **written)
