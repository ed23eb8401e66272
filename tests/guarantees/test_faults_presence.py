"""Who is away takes no part, whatever the method: nothing of it changes, and the others go on without it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swarmsim.models.multimodal import Multimodal
from swarmsim.twins import exactness
from swarmsim.types import Part
from tests.comparing import bytes_of, same_bits
from tests.guarantees.storms import CASES, IDS, LATE, PRESETS, SHARDS, case_job, down, rounds_of, stormy
from tests.jobs import blobs, columns, job, mixing, quadratic, run
from tests.methods import method, names_on_disk

ABSENT = [case for case, (name, _) in enumerate(CASES) if "down" in names_on_disk()[name].obeys]
SERVED = [case for case in ABSENT if hasattr(names_on_disk()[CASES[case][0]], "servers")]
SPLIT = [case for case in ABSENT if CASES[case][0].startswith("split/")]
CHURN = {"use": "trace", "rows": {"institution-0": [1, 0, 1, 1, 0, 1], "institution-1": [1, 1, 0, 1, 0, 0],
                                  "institution-2": [0, 1, 1, 1, 0, 1]}}  # fmt: skip


def cases(chosen: list[int]):
    marks = [pytest.mark.slow if CASES[case][0] in PRESETS else () for case in chosen]
    return pytest.mark.parametrize(
        "case", [pytest.param(case, id=IDS[case], marks=mark) for case, mark in zip(chosen, marks, strict=True)]
    )


def job_of(case: int, rounds: int = 6, **options):
    name, arguments = CASES[case]
    return case_job(name, arguments, rounds, **options)


def of(hashes: dict[str, str], i: int) -> dict[str, str]:
    """What institution i holds."""
    return {key: value for key, value in hashes.items() if key.endswith(f"/{i}") and not key.startswith("server")}


@cases(ABSENT)
def test_who_is_away_keeps_its_bits_and_sends_and_hears_nothing(case):
    name, _ = CASES[case]
    work, _ = stormy(job_of(case), churn=CHURN)
    trained = 0
    for t, done, before, after in rounds_of(work):
        awake = work.schedule.tick(t).awake(range(3))
        heard, said = {line.dst for line in done.traffic}, {line.src for line in done.traffic}
        for i in set(range(3)) - set(awake) if name not in LATE else ():
            assert of(before, i) == of(after, i)
            assert f"institution-{i}" not in heard | said
            assert f"institution-{i}" not in done.losses
        trained += len(done.losses)
    assert trained >= 3


@cases(ABSENT)
def test_a_round_with_nobody_changes_nothing(case):
    name, _ = CASES[case]
    work, said = stormy(job_of(case), down=[down(i, 3, 4) for i in range(3)])
    assert [(event.event, event.institution) for event in said if event.round == 3][-1][0] in ("nobody", "no merge")
    for t, done, before, after in rounds_of(work):
        if t == 2:
            assert not done.losses
            if name not in LATE:
                assert before == after
                assert not done.traffic
        else:
            assert before != after


@cases(ABSENT)
def test_a_round_without_its_quorum_changes_nothing(case):
    name, _ = CASES[case]
    if "quorum" not in names_on_disk()[name].obeys:
        return
    work, said = stormy(job_of(case), down=[down(i, 3, 4) for i in range(2)], quorum={"min": 2})
    assert [event.round for event in said if event.event == "no quorum"] == [3]
    for t, done, before, after in rounds_of(work):
        if t == 2 and name not in LATE:
            assert before == after
            assert not done.traffic
        if t == 2:
            assert not done.losses
        else:
            assert before != after


# ------------------------------------------------------------------------- as if it were not there

ALIKE = [
    case
    for case in ABSENT
    if CASES[case][0] != "split/vertical" and CASES[case][1].get("gradient_weights") != "samples"
]  # the model of vertical data has a part for each institution; p_i counts those away


def without_the_last(name: str, arguments: dict) -> dict:
    """The arguments for institutions 0 and 1 alone."""
    return {**arguments, **({"cliques": ((0,), (1,))} if "cliques" in arguments else {})}


@cases(ALIKE)
def test_a_run_in_which_one_is_always_away_is_the_run_without_it(case):
    """The last one, so that the others keep their numbers, by which their batches and masks are drawn."""
    name, arguments = CASES[case]
    if "regions" in arguments:
        arguments = {**arguments, "regions": (("institution-0", "institution-2"), ("institution-1",))}
    lost = {"lost_weight": "sender"} if name == "swarm/push_sum" else {}
    work, _ = stormy(case_job(name, arguments), down=[down(2)], **lost)
    arguments = without_the_last(name, arguments)
    if "regions" in arguments:
        arguments = {**arguments, "regions": (("institution-0",), ("institution-1",))}
    graph = {"mixing": mixing(work.schedule.mixings[0].dense()[:2, :2])} if len(work.schedule.mixings) else {}
    small = case_job(name, arguments, shards=SHARDS[:2], **graph)
    found, expected = run(work), run(small)
    for i in range(2):
        assert all(same_bits(found.models[i][kind], row) for kind, row in expected.models[i].items())
    for one, other in zip(found.rounds, expected.rounds, strict=True):
        assert one.losses == other.losses
        if name != "swarm/leader_merge":  # whose leader is another of two than of three
            assert one.traffic == other.traffic


@cases(SPLIT)
@pytest.mark.parametrize("written", [{"churn": CHURN}, {"participation": 0.6}, {"down": [down("server", 2, 3)]}])
def test_the_unsplit_twin_has_the_same_faults(case, written):
    name, _ = CASES[case]
    if name == "split/regional" and "down" in written:
        written = {"down": [down("server-0", 2, 3)]}
    options = {"model": Multimodal(width=3, hidden=(4,), head=(5,), missing="zero")} if name == "split/vertical" else {}
    work, _ = stormy(replace(job_of(case), **options), **written)
    assert exactness(work)["max_difference"] <= 1e-12


# ---------------------------------------------------------------------------------------- hand-overs


def hops(rounds) -> list[list[str]]:
    """Round by round from whom to whom weights went, as digits."""
    return [
        [
            f"{line.src[-1]}{line.dst[-1]}"
            for line in each.traffic
            if line.kind == "weights"
            for _ in range(line.messages)
        ]
        for each in rounds
    ]


TRAVELS = [["01", "12", "20"], ["12", "21", "21"], ["02", "20", "20"], ["01", "12", "20"]]


ONCE = {"lr": 0.5, "batch": None, "momentum": 0.0, "weight_decay": 0.0}


def test_the_model_travels_on_to_whoever_is_there():
    """Behind round 1 institution 0 holds it. In round 2 it is away, so 2, who had it before, gives it to 1."""
    work = job(method("baseline/cyclic", **ONCE), quadratic([0.0, 8, 4]), rounds=4)
    work, _ = stormy(work, down=[down(0, 2, 3), down(1, 3, 4)])
    assert [sorted(each) for each in hops(run(work).rounds)] == TRAVELS


def test_the_numbers_of_a_model_that_travels_past_those_away():
    """A turn at i is x <- (x + a_i) / 2. Round 3: 1 holds the model and is away, so 0 goes on from what 2 last had."""
    targets = [0.0, 8.0, 4.0]
    work, _ = stormy(
        job(method("baseline/cyclic", **ONCE), quadratic(targets), rounds=3), down=[down(0, 2, 3), down(1, 3)]
    )
    held = [0.0, 0.0, 0.0]
    for turns, source, then in (((0, 1, 2), 0, 0), ((1, 2), 2, 1), ((0, 2), 2, 0)):
        x = held[source]
        for i in turns:
            x = held[i] = (x + targets[i]) / 2
        held[then] = x
    assert run(work).params[:, 0] == pytest.approx([held[0]] * 3, abs=1e-15)


@pytest.mark.parametrize("weights", ["handed_over", "handed_over_via_server"])
def test_bottoms_are_handed_past_those_away(weights):
    work = case_job("split/vanilla", {"cut": 1, "institution_weights": weights, "batch": None}, 4)
    work, _ = stormy(work, down=[down(0, 2, 3), down(1, 3, 4)])
    found = hops(run(work).rounds)
    if weights == "handed_over":
        assert [sorted(each) for each in found] == TRAVELS
    else:  # the server's name ends in r
        assert [sum(pair[0] != "r" for pair in each) for each in found] == [len(each) for each in TRAVELS]


# ------------------------------------------------------------------------------------- server outage


@cases(SERVED)
def test_without_its_server_a_method_does_nothing(case):
    name, _ = CASES[case]
    servers = ["server-0", "server-1"] if name == "split/regional" else ["server"]
    work, said = stormy(job_of(case, 4), down=[down(server, 2, 4) for server in servers])
    assert [(event.round, event.event, event.institution) for event in said] == [
        (t, what, server) for t, what in ((2, "down"), (4, "up")) for server in servers
    ]
    for t, done, before, after in rounds_of(work):
        if t in (1, 2):
            assert before == after
            assert not done.traffic and not done.losses
        else:
            assert before != after


def test_a_region_without_its_server_waits_while_the_others_go_on():
    arguments = {"cut": 1, "regions": (("institution-0", "institution-2"), ("institution-1",))}
    work, _ = stormy(case_job("split/regional", arguments, 3), down=[down("server-0", 2, 3)])
    for t, done, before, after in rounds_of(work):
        still = {key for key in before if before[key] == after[key]}
        told = {line.src for line in done.traffic} | {line.dst for line in done.traffic}
        if t == 1:
            assert {"members/0", "members/2", "server_parts/0"} <= still
            assert not still & {"members/1", "server_parts/1"}
            assert told == {"institution-1", "server-1"}
            assert set(done.losses) == {"institution-1"}
        else:
            assert not still & {"members/0", "members/1", "server_parts/0", "server_parts/1"}
            assert {"server-0", "server-1"} <= told


def test_one_of_two_servers_of_a_chain_ends_the_round():
    stages = ({"owner": "institution", "until": 1}, {"owner": "server", "until": 2}, {"owner": "server-b"})
    work, _ = stormy(case_job("split/multi_hop", {"stages": stages}, 3), down=[down("server-b", 2, 3)])
    assert [bool(done.traffic) for _, done, *_ in rounds_of(work)] == [True, False, True]


def test_who_holds_a_part_for_all_ends_the_round():
    stages = ({"owner": "institution", "until": 1}, {"owner": "institution-1", "until": 2}, {"owner": "server"})
    work, _ = stormy(case_job("split/multi_hop", {"stages": stages}, 3), down=[down(1, 2, 3)])
    assert [bool(done.traffic) for _, done, *_ in rounds_of(work)] == [True, False, True]


# ------------------------------------------------------------------------------ pooled and vertical data


def test_pooled_training_is_on_the_examples_of_those_there():
    """One full-batch step a round on the quadratic: x <- x - lr (x - mean of the targets there)."""
    work, _ = stormy(
        job(method("baseline/pooled", **{**ONCE, "local_steps": 1}), quadratic([1.0, 5, 9]), rounds=3),
        down=[down(0, 1, 2), down(2, 2, 3)],
    )
    x = 0.0
    for mean in (7.0, 3.0, 5.0):
        x = (x + mean) / 2
    assert run(work).params[:, 0] == pytest.approx([x] * 3, abs=1e-15)


def vertical(missing: str = "zero", **arguments):
    shards, blocks = columns(blobs())
    model = Multimodal(width=3, hidden=(4,), head=(5,), missing=missing)
    plain = {"momentum": 0.9, "weight_decay": 0.0, **arguments}
    return job(method("split/vertical", **plain), shards, model=model, blocks=blocks, rounds=3)


@pytest.mark.parametrize("where", [{}, {"labels": "institution", "cut": "output"}])
def test_the_block_of_who_is_away_counts_as_missing(where):
    """As if no patient had it: the features are 0, and no gradient goes there."""
    calm = vertical(**where)
    work, _ = stormy(calm, down=[down(0)])
    shards = dict(calm.shards)
    gone = shards[0].train
    shards[0] = replace(shards[0], train=Part(np.full_like(gone.x, np.nan), gone.y))
    found, expected = run(work), run(replace(calm, shards=shards))
    assert all(same_bits(found.models[i][kind], row) for i in found.models for kind, row in expected.models[i].items())
    assert bytes_of(found.rounds, src="institution-0") == bytes_of(found.rounds, dst="institution-0") == 0
    assert bytes_of(expected.rounds, src="institution-0") > 0


def test_without_the_labels_there_is_no_round():
    work, _ = stormy(vertical(), down=[down(2, 2, 3)])
    assert [bool(done.traffic) for _, done, *_ in rounds_of(work)] == [True, False, True]
