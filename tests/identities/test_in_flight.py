"""Batches in flight: delayed gradients by a hand-written loop in plain torch, and the staleness that is reported."""

from __future__ import annotations

import pytest
import torch

from tests.comparing import within
from tests.jobs import blobs, job, run
from tests.loops import assert_rows, batches, flat, modules, taken
from tests.methods import method, small_job

SGD = {"momentum": 0.9, "weight_decay": 0.01, "batch": 8}
SHARD = blobs((61,))  # 8 batches, the last of 5
STORMY = {"dropout": 0.3}


def delayed(work, most: int, rounds: int) -> list[torch.nn.Module]:
    """w_{j+1} = w_j - lr grad f_j(w_{j-s}), s = min(j, most - 1) for the bottom; the top's gradient is at its own w_j.

    The forward pass of batch j uses the bottom as it was then; its features meet the newest top. A round ends with
    nothing in flight. The copies of the bottom are kept whole, where the simulator keeps graphs.
    """
    bottom, top = modules(work)[0], torch.nn.Sequential(*modules(work)[1:])
    optimizers = [torch.optim.SGD(part.parameters(), 0.05, 0.9, weight_decay=0.01) for part in (bottom, top)]
    for t in range(rounds):
        history, drawn = [flat([bottom])], batches(work, 0, t)
        for j, index in enumerate(drawn):
            x, y = taken(SHARD, [index])
            now, then = flat([bottom]), history[j - min(j, most - 1)]
            torch.nn.utils.vector_to_parameters(then.clone(), bottom.parameters())
            for optimizer in optimizers:
                optimizer.zero_grad()
            torch.nn.functional.cross_entropy(top(bottom(x)), y).backward()
            torch.nn.utils.vector_to_parameters(now.clone(), bottom.parameters())
            for optimizer in optimizers:
                optimizer.step()
            history.append(flat([bottom]))
    return [bottom, top]


@pytest.mark.parametrize("most", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("name", ["split/vanilla", "split/private"])
def test_bottoms_step_along_gradients_of_the_weights_of_their_forward_pass(name, most):
    work = job(method(name, cut=1, in_flight=most, **SGD), SHARD, rounds=2)
    assert_rows(run(work).params[0], flat(delayed(work, most, 2)))


def test_more_in_flight_is_another_training():
    found = [run(job(method("split/vanilla", cut=1, in_flight=k, **SGD), SHARD, rounds=1)).params for k in (1, 2, 3)]
    assert abs(found[0] - found[1]).max() > 1e-4 < abs(found[1] - found[2]).max()


@pytest.mark.parametrize("most", [2, 3, 8, 64])
def test_staleness_is_min_j_and_k_minus_1_on_the_average(most):
    rounds = run(job(method("split/vanilla", cut=1, in_flight=most, **SGD), SHARD, rounds=2)).rounds
    expected = sum(min(j, most - 1) for j in range(8)) / 8
    assert [each.notes for each in rounds] == [{("institution-0", "staleness"): pytest.approx(expected, abs=1e-12)}] * 2


def test_staleness_is_told_of_each_institution_in_turn_and_ends_with_its_turn():
    """3, 2 and 3 batches with 2 in flight: 0, 1, 1; then 0, 1; then 0, 1, 1."""
    (each,) = run(small_job("split/vanilla", {"cut": 1, "in_flight": 2}, rounds=1)).rounds
    found = [each.notes[f"institution-{i}", "staleness"] for i in range(3)]
    assert found == pytest.approx([2 / 3, 1 / 2, 2 / 3], abs=1e-12)


def test_one_batch_in_flight_is_exact_and_says_nothing_of_staleness():
    default, one = (run(small_job("split/vanilla", {"cut": 1, **k}, model=STORMY)) for k in ({}, {"in_flight": 1}))
    assert within(default.models, one.models)
    assert not one.rounds[0].notes


@pytest.mark.parametrize("most", [2, 5])
def test_institutions_served_in_turn_are_as_stale_as_the_server_made_steps_for_others(most):
    """Private bottoms, one batch each: the bottoms of 3 institutions are behind only if a batch of their own lands."""
    work = small_job("split/private", {"cut": 1, "serving": "interleaved", "in_flight": most}, rounds=1, model=STORMY)
    order = [(i, k) for k in range(3) for i in range(3) if k < (3, 2, 3)[i]]
    expected = {i: [] for i in range(3)}
    for place, (i, _) in enumerate(order):
        expected[i].append(min(place, most - 1))
    (each,) = run(work).rounds
    for i, found in expected.items():
        assert each.notes[f"institution-{i}", "staleness"] == pytest.approx(sum(found) / len(found), abs=1e-12)
