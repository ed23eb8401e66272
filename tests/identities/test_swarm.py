"""Swarm, federated and pooled training where they must coincide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.local.batches import plan
from swarmsim.rng import seed_for, stream
from swarmsim.twins import exactness
from tests.comparing import within
from tests.jobs import blobs, complete, identity, job, run
from tests.methods import method, small_job

STORMY = {"dropout": 0.3}
PLAIN = {"momentum": 0.0, "weight_decay": 0.0}


def trained(name: str, rounds: int = 3, mixing=None, shards=None, **arguments):
    options = {"mixing": mixing, "shards": shards or blobs(), "model": STORMY}
    return run(small_job(name, arguments, rounds, **options)).models


def test_averaging_with_nobody_is_local_training():
    """Trap 22: adapt-then-combine with the pre-update self term would never train here."""
    local = trained("baseline/local", local_steps=4)
    assert within(trained("swarm/dpsgd", mixing=identity(3), local_steps=4), local)


def test_combining_with_nobody_first_is_local_training_up_to_rounding():
    local = trained("baseline/local")
    mixed = trained("swarm/dpsgd", mixing=identity(3), order="combine_then_adapt")
    assert within(mixed, local, 1e-12)


@pytest.mark.parametrize("batch_norm", ["average", "local"])
def test_averaging_with_everybody_is_federated_averaging(batch_norm):
    arguments = {"local_steps": 4, "batch_norm": batch_norm}
    fedavg = trained("baseline/fedavg", weights="equal", optimizer_state="keep", **arguments)
    swarm = run(small_job("swarm/dpsgd", arguments, mixing=complete(3), model=STORMY)).models
    assert within(swarm, fedavg, 1e-12)


@pytest.mark.parametrize("weights", ["samples", "equal"])
def test_leader_merge_is_federated_averaging(weights):
    merged = trained("swarm/leader_merge", weights=weights)
    assert within(merged, trained("baseline/fedavg", weights=weights, optimizer_state="keep"))


def test_a_leader_merge_says_who_led_and_who_contributed():
    rounds = run(small_job("swarm/leader_merge", {}, rounds=4)).rounds
    names = ("institution-0", "institution-1", "institution-2")
    assert [merge.leader for each in rounds for merge in each.merges] == [*names, names[0]]
    assert all((merge.contributors, merge.left_out) == (names, ()) for each in rounds for merge in each.merges)
    assert [(merge.round, merge.merge) for each in rounds for merge in each.merges] == [(t, 0) for t in (1, 2, 3, 4)]


@pytest.mark.parametrize("name", ["baseline/cyclic", "baseline/fedavg", "swarm/leader_merge", "baseline/pooled"])
def test_with_one_institution_every_baseline_is_local_training(name):
    """Cyclical transfer with one site = pooled = local; the pool's batches are those of institution 0."""
    alone, keep = blobs((37,)), {"optimizer_state": "keep"}
    arguments = keep if name in ("baseline/cyclic", "baseline/fedavg") else {}
    assert within(trained(name, shards=alone, **arguments), trained("baseline/local", shards=alone))


def _parameters(work) -> torch.nn.Sequential:
    torch.manual_seed(seed_for(work.seed, "init"))
    return torch.nn.Sequential(*[module for _, module in work.model.stages(work.example, work.outputs)]).double()


def _flat(model: torch.nn.Module) -> np.ndarray:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).numpy()


def test_dpsgd_on_the_complete_graph_is_all_reduce_sgd():
    """x <- x - lr mean_i grad f_i(x; batch_i), each institution's batch its own: a loop that averages gradients."""
    shards = blobs()
    work = job(method("swarm/dpsgd", local_steps=1, **PLAIN), shards, mixing=complete(3), rounds=6)
    model = _parameters(work)
    for t in range(work.rounds):
        gradients = []
        for i, shard in enumerate(shards):
            index = plan(len(shard.train), 16, 1, None, stream(work.seed, "batches", t, i))[0]
            loss = torch.nn.functional.cross_entropy(model(_x(shard)[index]), _y(shard)[index])
            gradients.append(torch.autograd.grad(loss, list(model.parameters())))
        with torch.no_grad():
            for p, *pieces in zip(model.parameters(), *gradients, strict=True):
                p -= 0.05 * sum(pieces) / 3
    assert np.abs(run(work).params - _flat(model)).max() < 1e-12


@pytest.mark.parametrize("name", ["baseline/fedavg", "swarm/leader_merge", "baseline/pooled"])
def test_one_full_batch_step_is_gradient_descent_on_the_pooled_examples(name):
    """Trap 10: institutions count by their examples, so 37, 21 and 48 of them are one data set of 106."""
    shards = blobs()
    work = job(method(name, batch=None, local_steps=1, **PLAIN), shards, rounds=8)
    model = _parameters(work)
    x, y = (torch.cat([side(shard) for shard in shards]) for side in (_x, _y))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(work.rounds):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    assert np.abs(run(work).params - _flat(model)).max() < 1e-12


@pytest.mark.parametrize(
    ("name", "arguments", "mixing", "words", "tolerance"),
    [
        ("swarm/leader_merge", {}, None, "federated averaging", 0.0),
        ("swarm/dpsgd", {"local_steps": 3}, complete(3), "federated averaging", 1e-12),
        ("baseline/fedavg", {"batch": None, "local_steps": 1, **PLAIN}, None, "gradient descent", 1e-12),
    ],
)
def test_check_exact_finds_the_twin_and_no_difference(name, arguments, mixing, words, tolerance):
    model = {} if name != "baseline/fedavg" else {"batch_norm": False}
    found = exactness(small_job(name, arguments, mixing=mixing, model=model))
    assert words in found["twin"]
    assert found["max_difference"] <= tolerance


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("baseline/local", {}),
        ("baseline/fedavg", {}),
        ("swarm/dpsgd", {}),
        ("swarm/dpsgd", {"order": "combine_then_adapt"}),
    ],
)
def test_check_exact_claims_no_twin_where_there_is_none(name, arguments):
    assert exactness(small_job(name, arguments)) == {"twin": None, "max_difference": None}


def _x(shard) -> torch.Tensor:
    return torch.tensor(shard.train.x).double()


def _y(shard) -> torch.Tensor:
    return torch.tensor(shard.train.y)
