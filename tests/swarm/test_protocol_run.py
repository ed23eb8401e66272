"""Leader merges from end to end: what the plan says is what is trained, merged, sent and reported.

On the quadratic, from 0 and with lr 1/2, a step of an institution is x <- (x + a) / 2. Unless a test says otherwise a
training period is one step and takes A 1, B 2 and C 5 seconds.
"""

from __future__ import annotations

import csv
import dataclasses
import json

import pytest
import torch

from swarmsim.algorithms.swarm.leader_merge import LeaderMerge
from swarmsim.cli import main
from swarmsim.merge.centred_clipping import CentredClipping
from swarmsim.merge.krum import Krum
from swarmsim.merge.median import Median
from swarmsim.models.mlp import Mlp
from swarmsim.runtime.driver import Inline
from swarmsim.schedule.presence import presence
from swarmsim.trees import flatten, unflatten
from swarmsim.types import InputError, SwarmsimError
from tests.comparing import assert_same, bytes_of, ended, kinds, outcome, same_bits, within
from tests.jobs import blobs, quadratic, run
from tests.methods import small_job
from tests.swarm.protocols import STORM, alike, by_hand, leader_job, many, names
from tests.threads import ThreadHosts

SLOW = {"slow": {"institution-1": 2, "institution-2": 5}}
QUICK = {"pace": SLOW, "min_peers": 2, "wait": 0.0, "weights": "equal"}
FIVE = names(5)


def down(*who: tuple[int, int, int | None]) -> dict:
    """Institutions that are away from a round until another, or for ever."""
    return {"down": [{"institution": f"institution-{i}", "from": a} | ({"until": b} if b else {}) for i, a, b in who]}


def rows(shards, rounds: int, **given) -> list[float]:
    return run(leader_job(shards, rounds, **given)).params[:, 0].tolist()


# ------------------------------------------------------------------------------- merges worked out by hand


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ("equal", 4.0),  # (0 + 4 + 8) / 3
        ("samples", 5.0),  # (1 x 0 + 4 x 4 + 3 x 8) / 8
        (dict(zip(names(3), (1, 0, 3), strict=True)), 6.0),  # (0 + 3 x 8) / 4
    ],
)
def test_an_institution_counts_for_what_is_written(weights, expected):
    assert rows(many([0, 8, 16], [1, 4, 3]), 1, weights=weights) == [expected] * 3


def test_those_who_all_count_nothing_count_the_same():
    """C alone has a weight, and is away."""
    weights = dict(zip(names(3), (0, 0, 1), strict=True))
    assert rows(quadratic([0, 8, 16]), 1, weights=weights, faults=down((2, 1, None))) == [2.0, 2.0, 0.0]


def test_a_late_contribution_is_thrown_away():
    """Trap 32. Merges 2, 3, 3.5 of A and B. C, thrown away at 5, takes the second merge: (3 + 16) / 2."""
    shards = quadratic([0, 8, 16])
    assert [rows(shards, t, **QUICK)[0] for t in (1, 2, 3)] == [2.0, 3.0, 3.5]
    assert rows(shards, 3, **QUICK)[2] == 9.5


@pytest.mark.parametrize(
    ("late", "merges"),
    [
        ("keep", [2, 3, (1.5 + 8 / 4) / 1.25, (1.4 + 5.5 / 2) / 1.5]),
        ("next", [2, 3, (1.5 + 8) / 2, (2.375 + 5.5) / 2]),
    ],
)
def test_a_late_contribution_counts_by_its_age_or_in_full(late, merges):
    """C's 8 of round 1 is in the merge of round 3, two rounds old; B's 5.5 of round 3 in that of round 4."""
    shards = quadratic([0, 8, 16])
    found = [rows(shards, t, late=late, **QUICK)[0] for t in (1, 2, 3, 4)]
    assert found == pytest.approx(merges, abs=1e-14)


@pytest.mark.parametrize(("policy", "expected"), [("skip", 10 / 3), ("wait", 3.0)])
def test_behind_a_missed_quorum_others_train_on_or_wait(policy, expected):
    """The merge of round 1 is 2. In round 2 A has 1 and B 5; then they train on, 0.5 and 6.5, or not. C comes to 3."""
    given = {"min_peers": 3, "no_quorum": policy, "faults": down((2, 2, 3)), "weights": "equal"}
    work = leader_job(quadratic([0, 8, 4]), 3, **given)
    assert rows(quadratic([0, 8, 4]), 2, **given) == [1.0, 5.0, 2.0]
    assert run(work).params[:, 0] == pytest.approx([expected] * 3, abs=1e-15)


def test_a_missed_quorum_can_end_the_run_before_it_begins():
    with pytest.raises(SwarmsimError, match=r"round 2: no quorum: .*institution-2 \(asleep\)"):
        leader_job(quadratic([0, 8, 4]), 3, min_peers=3, no_quorum="stop", faults=down((2, 2, 3)))


@pytest.mark.parametrize(
    ("policy", "merges", "own"),
    [
        ("leave", [4, 3, 2.5], 4.0),
        ("keep_snapshot", [4, 16 / 3, 52 / 9], 4.0),  # (2 + 4 + 10) / 3, (8/3 + 14/3 + 10) / 3
        ("stay_active", [4, 10 / 3, 26 / 9], 26 / 9),  # (2 + 4 + 4) / 3, (5/3 + 11/3 + 10/3) / 3
    ],
)
def test_who_is_done_leaves_or_stays_with_its_last_model_or_without_training(policy, merges, own):
    """A has 0, B 4, C 20, of which C trains once: 0, 2 and 10 merge to 4. The snapshot is the 10, not the 4."""
    given = {"ends": {"institution-2": 1}, "at_end": policy, "weights": "equal"}
    shards = quadratic([0, 4, 20])
    assert [rows(shards, t, **given)[0] for t in (1, 2, 3)] == pytest.approx(merges, abs=1e-14)
    assert rows(shards, 3, **given)[2] == pytest.approx(own, abs=1e-14)


def test_seconds_of_training_are_more_steps_for_who_is_quick():
    """In four seconds A takes 4 steps towards 16, to 15, and B, four times as slow, one, to 8."""
    given = {"sync": {"seconds": 4}, "pace": {"slow": {"institution-1": 4}}, "weights": "equal"}
    assert leader_job(quadratic([16, 16]), 2, **given).schedule.steps.tolist() == [[4, 1]] * 2
    assert rows(quadratic([16, 16]), 1, **given) == [11.5, 11.5]
    assert rows(quadratic([16, 16]), 1, sync={"every": 2}, weights="equal") == [12.0, 12.0]


@pytest.mark.parametrize("late", ["drop", "keep", "next"])
@pytest.mark.parametrize("at_end", ["leave", "keep_snapshot", "stay_active"])
@pytest.mark.parametrize("no_quorum", ["skip", "wait"])
def test_a_loop_over_numbers_gives_the_same_merges_in_any_storm(late, at_end, no_quorum):
    sizes, targets = [1, 2, 3, 4, 5], [3.0, -1.0, 8.0, 40.0, 5.0]
    given = {**STORM, "late": late, "at_end": at_end, "no_quorum": no_quorum, "min_peers": 3}
    given |= {} if late == "keep" else {"age_weight": 0.5}
    work = leader_job(many(targets, sizes), 30, sync={"seconds": 3}, leader="random", **given)
    with Inline() as runtime:
        runtime.start(work)
        for t, expected in enumerate(by_hand(work, targets, sizes, work.schedule.steps)):
            (done,) = runtime.advance(t, t + 1)
            found = [runtime.models()[i]["params"].item() for i in range(5)]
            assert found == pytest.approx(expected.tolist(), abs=1e-12), t
            assert alike(done.merges, work.schedule.plans[t], FIVE, t)


# --------------------------------------------------------------------- leaders, catching up, rules of merging


def test_a_leader_that_is_down_is_replaced():
    given = {"leader": "fixed", "leader_name": "institution-2", "faults": down((2, 2, 3))}
    work = leader_job(quadratic([0, 8, 4]), 3, **given)
    merges = [each.merges[0] for each in run(work).rounds]
    assert [merge.leader for merge in merges] == ["institution-2", "institution-0", "institution-2"]
    assert merges[1].reason == "institution-2: asleep; instead of institution-2"
    assert (merges[1].contributors, merges[1].left_out) == (names(2), ("institution-2",))


def behind(t: int, **given):
    """(state, round) behind round t of three on networks of five."""
    with Inline() as runtime:
        runtime.start(leader_job(blobs((16,) * 5), 3, **{"lr": 0.1, "batch": 8, **given}))
        return [runtime.advance(0, t)[-1], runtime.save()][::-1]


def test_who_was_away_begins_with_the_bits_of_the_last_merge():
    """4 sleeps through the second merge, takes it from 1, who led it, in round 3, and is too late for the third."""
    slow = {"pace": {"slow": {"institution-4": 50}}, "min_peers": 4, "wait": 0.0, "faults": down((4, 2, 3))}
    before, _ = behind(2, **slow)
    after, last = behind(3, **slow)
    assert before["held"] == [2, 2, 2, 2, 0]
    assert after["held"] == [3, 3, 3, 3, 2]
    assert same_bits(after["merged/4"]["params"], before["members/0"]["weights"]["params"])
    assert not same_bits(after["members/4"]["weights"]["params"], after["merged/4"]["params"])
    size = before["merged/4"]["params"].numel() * 8
    assert bytes_of([last], dst="institution-4") == bytes_of([last], src="institution-1", dst="institution-4") == size


def test_the_last_merge_comes_from_somebody_who_is_there():
    """0 led the merge and sleeps; then 1 gives it to 2, and, in round 3, 2 to 3, though it has trained on."""
    given = {"faults": down((2, 1, 2), (3, 1, 3), (0, 2, None), (4, 2, None), (1, 3, None)), "min_peers": 3}
    first, _ = behind(1, **given)
    _, second = behind(2, **given)
    state, third = behind(3, **given)
    assert {(line.src, line.dst) for line in second.traffic} == {("institution-1", "institution-2")}
    assert {(line.src, line.dst) for line in third.traffic} == {("institution-2", "institution-3")}
    assert all(same_bits(state[f"merged/{i}"]["params"], first["merged/0"]["params"]) for i in (2, 3))
    assert state["held"] == [1, 1, 1, 1, 1]


@pytest.mark.parametrize(
    "rule", [Median(), Krum(byzantine=1), CentredClipping(tau=0.05)], ids=lambda rule: type(rule).__name__
)
def test_a_rule_at_the_leader_is_the_rule_on_the_rows(rule):
    """One round from equal models: the rows are those of local training, the centre is the leader's own."""
    shards, given = blobs((37, 21, 48, 16, 30)), {"lr": 0.1, "batch": 16, "leader": "fixed", "leader_name": FIVE[3]}
    work = dataclasses.replace(leader_job(shards, 1, **given), merge=rule)
    local = {"lr": 0.1, "momentum": 0.0, "weight_decay": 0.0}
    alone = run(small_job("baseline/local", local, 1, shards=shards, model={"batch_norm": False})).models
    stacked = torch.stack([alone[i]["params"] for i in range(5)])
    sizes = torch.tensor([37.0, 21, 48, 16, 30], dtype=torch.float64)
    expected = rule.merge(stacked, sizes / sizes.sum(), stacked[3])
    found = run(work).models
    assert all(torch.allclose(found[i]["params"], expected, rtol=0, atol=1e-15) for i in range(5))
    assert not torch.allclose(expected, (stacked * (sizes / sizes.sum())[:, None]).sum(0), atol=1e-6)


# -------------------------------------------------------------------- bytes, hosts, resume, the run folder


def stormy(hosts: int = 1, rounds: int = 24, **given):
    """Networks with BatchNorm in the storm."""
    work = leader_job(
        blobs((37, 21, 48, 16, 30)), rounds, hosts=hosts, lr=0.1, batch=16, momentum=0.9, **{**STORM, **given}
    )
    return dataclasses.replace(work, model=Mlp(hidden=(8, 5), batch_norm=True))


def test_every_merge_moves_what_the_plan_says_to_the_byte():
    work = stormy(rounds=30)
    done, row = run(work), {}
    for kind, tensor in done.models[0].items():
        kind = "weights" if kind == "params" else "buffers"
        row[kind] = row.get(kind, 0) + tensor.numel() * 8
    late, sides = 0, ({FIVE[1], FIVE[2]}, {FIVE[0], FIVE[3], FIVE[4]})
    for plan, each in zip(work.schedule.plans, done.rounds, strict=True):
        away = {i for i, reason in plan.left_out if reason in ("asleep", "cut off")}
        sent = len({i for i, _ in plan.contributors} - {plan.leader}) + len(set(plan.receivers) - {plan.leader})
        sent += len(plan.catches_up)
        assert kinds([each]) == ({kind: sent * size for kind, size in row.items()} if sent else {})
        assert not {FIVE[i] for i in away} & {line.dst for line in each.traffic}
        late += sum(age > 0 for _, age in plan.contributors)
        if 9 <= each.round < 13:  # the network is parted
            assert all({line.src, line.dst} <= side for side in sides for line in each.traffic if line.src in side)
    assert late > 3
    assert any(plan.catches_up for plan in work.schedule.plans)


def test_three_hosts_have_the_same_bits():
    work = stormy(hosts=3)
    expected, runtime = run(stormy()), ThreadHosts(work, 3, late=0.001)
    rounds = runtime.advance(0, work.rounds)
    assert [(e.losses, e.traffic, e.merges) for e in rounds] == [
        (e.losses, e.traffic, e.merges) for e in expected.rounds
    ]
    assert within(runtime.models(), expected.models)
    assert runtime.mail.sent == runtime.mail.received


def test_packed_agrees_to_rounding():
    """Without BatchNorm, whose divisions by small variances make rounding large."""
    given = {"lr": 0.1, "batch": 16, **STORM}
    one, other = (run(leader_job(blobs((37, 21, 48, 16, 30)), 24, packed=packed, **given)) for packed in (False, True))
    assert within(one.models, other.models, 1e-12)


def test_a_run_resumes_while_a_contribution_waits():
    work = stormy()
    with Inline() as whole:
        expected = outcome(whole, work)
    plans = work.schedule.plans
    pending = [t for t in range(1, 23) if any(age >= 1 for _, age in plans[t].contributors)]
    assert pending
    for k in {*pending[:3], 21}:  # the last is behind the end of institution 3, whose snapshot is kept
        with Inline() as first, Inline() as second:
            first.start(work)
            first.advance(0, k)
            structure, tensors = flatten(first.save())
            second.start(work)
            second.load(unflatten(json.loads(json.dumps(structure)), [tensor.clone() for tensor in tensors]))
            done = ended(second, work, second.advance(k, work.rounds))
        assert_same(done, expected, rounds=False)
        assert [each.merges for each in done.rounds] == [each.merges for each in expected.rounds[k:]]


FILE = """\
name: late
rounds: 8
data:  {use: quadratic, targets: [0, 8, 16]}
model: {use: point}
task:  {use: quadratic}
pace:  {seconds_per_step: 1, slow: {institution-1: 2, institution-2: 5}}
network: {preset: null, latency: 0, up: 1e15, down: 1e15}
faults: {down: [{institution: institution-0, from: 3, until: 5}]}
algorithm: {use: swarm/leader_merge, lr: 0.5, min_peers: 2, wait: 1e-9, late: keep, leader: rotation}
evaluate: {every: 4}
"""


def test_the_run_folder_says_who_was_in_every_merge_and_who_was_not(tmp_path):
    """Trap 32: merges.csv equals the schedule, and the summary has everybody's presence."""
    (tmp_path / "file.yaml").write_text(FILE, encoding="utf-8")
    assert main(["run", str(tmp_path / "file.yaml"), "--out", str(tmp_path / "out")]) == 0
    given = {"pace": SLOW, "min_peers": 2, "wait": 0.0, "late": "keep", "faults": down((0, 3, 5))}
    plans, who = leader_job(quadratic([0, 8, 16]), 8, **given).schedule.plans, names(3)
    with open(tmp_path / "out" / "merges.csv", encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["contributors"] for line in lines] == [
        ";".join(who[i] for i, _ in plan.contributors) for plan in plans
    ]
    assert [line["left_out"] for line in lines] == [";".join(who[i] for i, _ in plan.left_out) for plan in plans]
    assert [line["leader"] for line in lines] == [who[plan.leader] for plan in plans]
    assert all(
        f"{who[i]}: {why}" in line["reason"]
        for line, plan in zip(lines, plans, strict=True)
        for i, why in plan.left_out
    )
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    found = {name: dataclasses.asdict(each) for name, each in presence(plans, who).items()}
    assert summary["merges"] == found
    assert found["institution-0"]["reasons"]["asleep"] == 2
    with open(tmp_path / "out" / "metrics.csv", encoding="utf-8", newline="") as file:
        seconds = {row["round"]: float(row["seconds"]) for row in csv.DictReader(file)}
    assert [seconds[str(t)] for t in range(1, 9)] == pytest.approx([plan.time for plan in plans], abs=1e-6)


def test_a_weight_for_each_institution_or_none():
    with pytest.raises(InputError, match="wrong or missing: institution-2"):
        LeaderMerge(lr=0.1, weights=dict.fromkeys(names(2), 1)).check_names(names(3))
