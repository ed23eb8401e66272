"""Decentralised methods where they must coincide, on networks; who sleeps, what is lost, what stays at home."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.algorithms.swarm.d2 import D2
from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.algorithms.swarm.quasi_global import QuasiGlobal
from swarmsim.local.batches import plan
from swarmsim.merge.mean import Mean
from swarmsim.merge.median import Median
from swarmsim.merge.trimmed_mean import TrimmedMean
from swarmsim.rng import stream
from swarmsim.runtime.costs import per_round
from swarmsim.twins import exactness
from swarmsim.types import Schedule
from tests.comparing import kinds, within
from tests.jobs import blobs, complete, identity, job, mixing, quadratic, ring, run
from tests.methods import DIRECTED, PATH, method, small_job

CTA = "combine_then_adapt"
ADAMW = {"optimizer": "adamw", "momentum": 0.0}
STEP = {"momentum": 0.0, "local_steps": 1}
BARE = {"batch_norm": False}
CORRECTED = ["swarm/gradient_tracking", "swarm/exact_diffusion", "swarm/d2", "swarm/extra"]
ONE_STEP = [*CORRECTED, "swarm/quasi_global"]


def trained(name: str, rounds: int = 3, model=None, **arguments):
    options = {key: arguments.pop(key) for key in ("mixing", "shards", "schedule") if key in arguments}
    return run(small_job(name, {**STEP, **arguments}, rounds, model=model or {}, **options)).models


@pytest.mark.parametrize("name", ONE_STEP)
def test_without_neighbours_a_method_of_one_gradient_is_local_training(name):
    assert within(trained(name, mixing=identity(3)), trained("baseline/local"), 1e-12)


def test_quasi_global_without_momentum_is_dpsgd():
    assert within(trained("swarm/quasi_global"), trained("swarm/dpsgd"), 1e-12)
    assert not within(trained("swarm/quasi_global", momentum=0.5), trained("swarm/dpsgd"), 1e-4)


@pytest.mark.parametrize("lazy", [False, True])
def test_exact_diffusion_is_d2_with_the_same_matrix(lazy):
    assert within(trained("swarm/exact_diffusion", 6, lazy=lazy), trained("swarm/d2", 6, lazy=lazy), 1e-12)


def test_gradient_tracking_with_everybody_is_all_reduce_sgd():
    """So that all models are equal, which D-PSGD on the complete graph keeps them."""
    found = trained("swarm/gradient_tracking", 6, mixing=complete(3), model=BARE)
    assert within(found, trained("swarm/dpsgd", 6, mixing=complete(3), model=BARE), 1e-12)


@pytest.mark.parametrize("order", ["adapt_then_combine", CTA])
def test_steps_that_count_by_examples_on_the_complete_graph_are_federated_averaging(order):
    """After one round from equal models in both orders; adapt-then-combine always."""
    rounds = 1 if order == CTA else 3
    arguments = {"local_steps": 4, "momentum": 0.9, "model": BARE}
    swarm = trained("swarm/dpsgd", rounds, mixing=complete(3), order=order, gradient_weights="samples", **arguments)
    fedavg = trained("baseline/fedavg", rounds, weights="samples", optimizer_state="keep", **arguments)
    mean = sum(swarm[i]["params"] for i in range(3)) / 3
    assert torch.allclose(mean, fedavg[0]["params"], rtol=0, atol=1e-12)
    assert within(swarm, fedavg, 1e-12) == (order != CTA)


def test_check_exact_knows_the_twins_of_dpsgd():
    weighted = {"gradient_weights": "samples", "local_steps": 2}
    found = exactness(small_job("swarm/dpsgd", weighted, mixing=complete(3), model=BARE))
    assert "weights samples" in found["twin"]
    assert found["max_difference"] < 1e-12
    for arguments, model in ((weighted, {}), ({"optimizer_state": "mixed"}, BARE)):
        assert exactness(small_job("swarm/dpsgd", arguments, mixing=complete(3), model=model))["twin"] is None


# --------------------------------------------------------------------------- optimiser states that are mixed


@pytest.mark.parametrize(("optimiser", "rows"), [({"momentum": 0.9}, ("momentum",)), (ADAMW, ("mean", "square"))])
def test_mixed_states_are_means_over_the_neighbourhood_but_for_the_step_counter(optimiser, rows):
    """One round from zero states: the mixed ones are W times those that stayed local; models are the same."""
    given = {"local_steps": 2, **optimiser}
    local, mixed = (
        run(small_job("swarm/dpsgd", {**given, "optimizer_state": policy}, rounds=1)) for policy in ("local", "mixed")
    )
    assert within(local.models, mixed.models)
    for row in rows:
        alone = np.stack([local.state[f"members/{i}"]["optimizer"][row].numpy() for i in range(3)])
        found = np.stack([mixed.state[f"members/{i}"]["optimizer"][row].numpy() for i in range(3)])
        assert np.abs(found - np.array(DIRECTED) @ alone).max() < 1e-15
        assert np.abs(found - alone).max() > 1e-6
    if "step" in mixed.state["members/0"]["optimizer"]:
        assert [mixed.state[f"members/{i}"]["optimizer"]["step"].item() for i in range(3)] == [2.0] * 3
    d = local.params.shape[1]
    assert kinds(mixed.rounds) - kinds(local.rounds) == {"optimizer_state": 3 * len(rows) * d * 8}


# ------------------------------------------------------------------------------------------------ traffic


@pytest.mark.parametrize("name", ONE_STEP)
def test_a_round_moves_one_row_over_every_edge_and_gradient_tracking_two(name):
    done = run(job(method(name, **STEP), blobs((16,) * 5), mixing=ring(5), rounds=2))
    rows = 10 * done.params.shape[1] * 8
    for each in done.rounds:
        expected = {"weights": rows} | ({"optimizer_state": rows} if name == "swarm/gradient_tracking" else {})
        assert kinds([each]) == expected


# --------------------------------------------------------------- stages and statistics that stay at home


@pytest.mark.parametrize(
    ("name", "arguments"),
    [(name, {}) for name in ONE_STEP]
    + [("swarm/gradient_tracking", {"order": CTA}), ("swarm/dpsgd", {"order": CTA}), ("swarm/dpsgd", {})],
)
def test_a_personal_stage_is_trained_at_home_and_by_nobody_else(name, arguments):
    """After one round from equal models it is what local training makes of it, what is averaged after it is not."""
    work = small_job(name, {**STEP, **arguments, "personal": ("output",), "batch_norm": "local"}, rounds=1)
    found, alone = run(work).models, trained("baseline/local", 1)
    personal = 5 * 3 + 3  # the last stage, at the end of the row
    averaged_last = name != "swarm/extra" and arguments.get("order") != CTA
    for i in range(3):
        change = (found[i]["params"] - alone[i]["params"]).abs()
        assert change[-personal:].max() < 1e-14
        assert (change[:-personal].max() > 1e-4) == averaged_last
        assert torch.equal(found[i]["buffers"], alone[i]["buffers"])


# ----------------------------------------------------------------------------- who sleeps, what is lost


def stormy(rounds: int, n: int = 8, asleep: float = 0.3, lost: float = 0.2, seed: int = 0) -> Schedule:
    """A ring on which pairs of messages get lost and institutions sleep; their weight returns to both ends."""
    rng, mixings, awake = np.random.default_rng(seed), [], []
    for _ in range(rounds):
        W, up = ring(n).dense(), rng.random(n) > asleep
        for i in range(n):
            for j in range(i):
                if W[i, j] and (rng.random() < lost or not (up[i] and up[j])):
                    W[i, i], W[j, j] = W[i, i] + W[i, j], W[j, j] + W[j, i]
                    W[i, j] = W[j, i] = 0
        mixings.append(mixing(W))
        awake.append(up)
    return Schedule(tuple(mixings), np.arange(rounds), np.array(awake))


TARGETS = np.arange(8.0)


@pytest.mark.parametrize("packed", [False, True], ids=["inline", "packed"])
@pytest.mark.parametrize("name", CORRECTED)
def test_corrected_methods_reach_the_optimum_though_some_sleep_and_messages_get_lost(name, packed):
    algorithm = method(name, lr=0.1, batch=None, momentum=0.0, weight_decay=0.0)
    rounds = 350 if packed else 20
    work = job(algorithm, quadratic(TARGETS), schedule=stormy(rounds), rounds=rounds, packed=packed)
    done = run(work)
    if packed:
        assert np.abs(done.params - 3.5).max() < 1e-4
    if name in ("swarm/d2", "swarm/extra"):  # no mass is lost
        assert abs(sum(done.state[f"members/{i}"]["correction"].item() for i in range(8))) < 1e-12


@pytest.mark.parametrize("name", [*ONE_STEP, "swarm/dpsgd"])
def test_who_sleeps_stays_as_it_was(name):
    awake = np.array([[True, True, True], [True, False, True]])
    second = [[0.5, 0, 0.5], [0, 1, 0], [0.5, 0, 0.5]]
    schedule = Schedule((mixing(PATH), mixing(second)), np.arange(2), awake)
    before, after = (run(small_job(name, STEP, rounds=rounds, schedule=schedule)).state for rounds in (1, 2))
    same = [_equal(before[f"members/{i}"], after[f"members/{i}"]) for i in range(3)]
    assert same == [False, True, False]


def _equal(a, b) -> bool:
    if isinstance(a, dict):
        return all(_equal(a[key], b[key]) for key in a)
    return torch.equal(a, b)


def test_d2_diverges_where_the_graph_changes_and_its_lazy_form_does_not():
    """One-peer hypercube of 8: every W has smallest eigenvalue 0, but not the same eigenvectors; hence `static`."""
    mixings = []
    for bit in (1, 2, 4):
        W = np.eye(8) / 2
        for i in range(8):
            W[i, i ^ bit] = 0.5
        mixings.append(mixing(W))
    schedule = Schedule(tuple(mixings), np.arange(120) % 3)
    ends = [
        np.abs(run(job(D2(lr=0.1, lazy=lazy), quadratic(TARGETS), schedule=schedule, rounds=120)).params - 3.5).max()
        for lazy in (False, True)
    ]
    assert ends[0] > 1e3
    assert ends[1] < 1e-3


# ------------------------------------------------------------------------------------------ robust merging


def with_rule(work, rule):
    import dataclasses

    return dataclasses.replace(work, merge=rule)


@pytest.mark.parametrize("order", ["adapt_then_combine", CTA])
def test_the_mean_as_a_rule_is_mixing(order):
    work = small_job("swarm/dpsgd", {"local_steps": 2, "order": order, "optimizer_state": "mixed"})
    plain, ruled = run(work), run(with_rule(work, Mean()))
    assert within(plain.models, ruled.models, 1e-14)
    assert plain.rounds[0].traffic == ruled.rounds[0].traffic


def test_a_rule_leaves_out_what_an_institution_far_away_sends():
    """Complete graph of 5 with one target at 1e6: the trimmed mean of everybody stays with the other four."""
    shards = quadratic([0.0, 1.0, 2.0, 3.0, 1e6])
    work = job(Dpsgd(lr=0.1), shards, mixing=complete(5), rounds=100)
    assert run(work).params.min() > 1e5
    found = run(with_rule(work, TrimmedMean(trim=1))).params[:4, 0]
    assert 0.0 < found.min() <= found.max() < 3.0


def test_a_round_that_merges_by_a_rule_can_be_rehearsed():
    work = with_rule(small_job("swarm/dpsgd", {}, rounds=1), Median())
    assert per_round(work)["bytes"] == sum(line.bytes for line in run(work).rounds[0].traffic)


def test_who_has_no_neighbour_in_a_round_keeps_its_model_under_any_rule():
    work = job(Dpsgd(lr=0.1), quadratic([0.0, 1.0, 2.0]), mixing=identity(3), rounds=4)
    assert np.array_equal(run(with_rule(work, TrimmedMean(trim=1))).params, run(work).params)


# ---------------------------------------------------------------------- a loop of one's own on networks


def _gradients(models: np.ndarray, work, t: int) -> np.ndarray:
    """grad f_i(x_i; batch) [n, d] by torch, weight decay included; models without BatchNorm."""
    found = []
    for i, row in enumerate(models):
        net = torch.nn.Sequential(*[module for _, module in work.model.stages(work.example, work.outputs)]).double()
        torch.nn.utils.vector_to_parameters(torch.tensor(row), net.parameters())
        shard = work.shards[i].train
        index = plan(len(shard), 16, 1, None, stream(work.seed, "batches", t, i))[0]
        x, y = torch.tensor(shard.x).double()[index], torch.tensor(shard.y)[index]
        loss = torch.nn.functional.cross_entropy(net(x), y)
        grads = torch.autograd.grad(loss, list(net.parameters()))
        found.append(torch.cat([g.flatten() for g in grads]).numpy() + 1e-3 * row)
    return np.stack(found)


def _by_hand(name: str, W: np.ndarray, work, start: np.ndarray, lr: float = 0.05) -> np.ndarray:
    x, previous = start, None
    y = old = np.zeros_like(start)
    half = (np.eye(3) + W) / 2
    for t in range(work.rounds):
        g = _gradients(x, work, t)
        if name == "swarm/gradient_tracking":
            y = W @ (y + g - old)
            new = W @ (x - lr * y)
        elif name == "swarm/extra":
            new = W @ x - lr * g if t == 0 else (np.eye(3) + W) @ x - half @ previous - lr * (g - old)
        else:
            V = W if name == "swarm/d2" else half
            new = V @ (x - lr * g) if t == 0 else V @ (2 * x - previous - lr * (g - old))
        previous, old, x = x, g, new
    return x


@pytest.mark.parametrize("name", CORRECTED)
def test_a_network_is_trained_as_by_a_loop_over_the_published_equations(name):
    work = small_job(name, STEP, rounds=5, mixing=mixing(PATH), model=BARE)
    start = run(small_job(name, STEP, rounds=0, mixing=mixing(PATH), model=BARE)).params
    assert np.abs(run(work).params - _by_hand(name, np.array(PATH), work, start)).max() < 1e-12


# ------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("name", CORRECTED)
def test_arguments_that_would_be_ignored_are_refused(name):
    for arguments, words in (
        ({"momentum": 0.9}, "leave it out"),
        ({"momentum": 0.0, "optimizer": "adamw"}, "sgd"),
        ({"momentum": 0.0, "local_steps": 2}, "1"),
        ({"momentum": 0.0, "local_epochs": 2}, "None"),
    ):
        with pytest.raises(ValueError, match=words):
            method(name, **arguments)


def test_what_cannot_be_done_is_refused():
    with pytest.raises(ValueError, match="has no state"):
        Dpsgd(lr=0.1, optimizer_state="mixed")
    with pytest.raises(ValueError, match="give it a floor"):
        QuasiGlobal(lr=0.1, lr_schedule={"use": "cosine"})
    assert QuasiGlobal(lr=0.1, lr_schedule={"use": "cosine", "floor": 1e-3})
