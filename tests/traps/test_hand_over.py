"""What a hand-over of split learning must hand over (traps 1, 2, 3, 17)."""

from __future__ import annotations

import itertools

import pytest
import torch

from swarmsim.algorithms.split.horizontal import Horizontal
from swarmsim.local.optimizer import AdamW
from tests.comparing import digest
from tests.jobs import job, run
from tests.methods import method, small_job

STORMY = {"dropout": 0.3}


@pytest.fixture
def turns(monkeypatch):
    """(institution, digest of its bottom before and after) of every step."""
    from swarmsim.algorithms.split import _steps

    up, down, begun, seen = _steps.ascend, _steps.descend, [], []

    def watched_up(route, state, batches):
        begun.append(digest(state.members.values[route.who[0]]["bottom"]))
        return up(route, state, batches)

    def watched_down(flight, state):
        who, after = flight.route.who[0], down(flight, state)
        seen.append((who, begun.pop(0), digest(after.members.values[who]["bottom"])))
        return after

    monkeypatch.setattr(_steps, "ascend", watched_up)
    monkeypatch.setattr(_steps, "descend", watched_down)
    return seen


@pytest.mark.parametrize("serving", ["by_institution", "random", "reverse", "interleaved"])
def test_a_turn_begins_with_the_bits_the_turn_before_ended_with(turns, serving):
    """Trap 2, weights, statistics and optimiser state together; over the end of a round too."""
    run(small_job("split/vanilla", {"cut": 1, "serving": serving}, rounds=2, model=STORMY))
    assert len({who for who, _, _ in turns}) == 3
    assert all(before == ended for (_, _, ended), (_, before, _) in itertools.pairwise(turns))


def test_every_step_behind_a_hand_over_moves_the_weights(turns):
    """Trap 1: an optimiser that still holds the old tensors."""
    run(small_job("split/vanilla", {"cut": 1}, rounds=2))
    assert len(turns) == 2 * 8  # 37, 21 and 48 examples in batches of 16
    assert all(before != after for _, before, after in turns)


def test_without_a_hand_over_every_bottom_goes_its_own_way(turns):
    axes = {"institution_weights": "private", "serving": "by_institution"}
    run(small_job("split/horizontal", {"cut": 1, **axes}, rounds=1))
    changes = [(ended, before) for (a, _, ended), (b, before, _) in itertools.pairwise(turns) if a != b]
    assert len(changes) == 2
    assert all(ended != before for ended, before in changes)


ADAMW = {"optimizer": "adamw", "momentum": 0.0, "cut": 1}


@pytest.mark.parametrize(("policy", "steps"), [("handover", 16), ("keep", 6), ("reset", 0)])
def test_adam_counts_the_steps_that_its_policy_gives_it(policy, steps):
    """Trap 3: the holder's counter behind 2 rounds of 3 + 2 + 3 batches; the next in turn is institution 0."""
    state = run(small_job("split/vanilla", {**ADAMW, "optimizer_state": policy}, rounds=2)).state
    assert state["had"][0][-1] == 0
    assert state["members/0"]["bottom"]["optimizer"]["step"].item() == steps
    assert state["server_parts/0"]["top"]["optimizer"]["step"].item() == 16


@pytest.mark.parametrize(("policy", "counts"), [("keep", [6, 4, 6]), ("reset", [3, 2, 3])])
def test_adam_of_splitfed_counts_the_batches_of_its_own_institution(policy, counts):
    state = run(small_job("split/splitfed_v1", {**ADAMW, "optimizer_state": policy}, rounds=2)).state
    for holder, part in (("members", "bottom"), ("server_parts", "top")):
        found = [state[f"{holder}/{i}"][part]["optimizer"]["step"].item() for i in range(3)]
        assert found == counts


def test_batch_norm_counters_count_batches_and_are_handed_over():
    state = run(small_job("split/vanilla", {"cut": 1}, rounds=2)).state
    assert state["members/0"]["bottom"]["weights"]["counters"].tolist() == [16]
    assert state["server_parts/0"]["top"]["weights"]["counters"].tolist() == [16]


def test_local_batch_norm_statistics_stay_when_weights_are_handed_over():
    done = run(small_job("split/vanilla", {"cut": 1, "batch_norm": "local"}, rounds=1))
    counters = [done.state[f"members/{i}"]["bottom"]["weights"]["counters"].item() for i in range(3)]
    assert counters == [3, 2, 3]
    assert not any(line.kind == "buffers" for line in done.rounds[0].traffic)


def test_a_reset_optimiser_is_a_fresh_one():
    rows = torch.randn(4)
    fresh = AdamW().start(rows)
    assert digest(fresh) == digest(AdamW().start(rows + 1))


EXCLUDED = [
    {"labels": "institution"},
    {"cut": (1, 2), "labels": "server"},
    {"serving": "concatenated"},
    {"institution_weights": "averaged_each_batch"},
    {"institution_weights": "private", "optimizer_state": "handover"},
]


@pytest.mark.parametrize("wrong", EXCLUDED)
def test_axes_that_exclude_each_other_are_refused(wrong):
    with pytest.raises(ValueError, match=r"use|needs"):
        Horizontal(**{"lr": 0.1, "cut": 1, **wrong})


@pytest.mark.parametrize("cut", [(2, 1), (1, 1), (0, 1), (1, 3)])
def test_cuts_that_leave_a_part_empty_are_refused(cut):
    from swarmsim.types import InputError
    from tests.jobs import blobs

    with pytest.raises(InputError, match="cut"):
        run(job(method("split/u_shaped", cut=cut), blobs()))
