"""Local training is plain PyTorch: nn.Sequential, torch.optim and a loop, which know nothing of rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.local.batches import plan
from swarmsim.local.optimizer import AdamW, Sgd
from swarmsim.local.training import LearningRate
from swarmsim.models.mlp import Mlp
from swarmsim.rng import seed_for, stream
from tests.jobs import blobs, job, run
from tests.methods import method

CASES = {
    "plain": ({"optimizer": "sgd", "lr": 0.1}, Sgd()),
    "momentum": ({"optimizer": "sgd", "lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}, Sgd(0.9, 0.01)),
    "adamw": ({"optimizer": "adamw", "lr": 0.01, "weight_decay": 0.1}, AdamW(0.1)),
}
SHAPES = [(4, 3), (4,), (2, 4), (2,), (3, 2, 2)]


def torchs_own(arguments: dict, tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
    lr, decay = arguments["lr"], arguments.get("weight_decay", 0.0)
    if arguments["optimizer"] == "adamw":
        return torch.optim.AdamW(tensors, lr, weight_decay=decay, foreach=False)
    return torch.optim.SGD(tensors, lr, arguments.get("momentum", 0.0), weight_decay=decay, foreach=False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("case", CASES)
def test_optimisers_on_a_row_are_torchs_on_tensors_bit_for_bit(case, dtype):
    """Trap 3: 20 steps; an optimiser that forgot its state would differ at the second."""
    arguments, rule = CASES[case]
    generator = torch.Generator().manual_seed(1)
    tensors = [torch.randn(shape, generator=generator, dtype=dtype).requires_grad_() for shape in SHAPES]
    optimizer = torchs_own(arguments, tensors)
    row = torch.cat([tensor.detach().flatten() for tensor in tensors])
    state = rule.start(row)
    for step in range(20):
        lr = arguments["lr"] * 0.9**step
        optimizer.param_groups[0]["lr"] = lr
        for tensor in tensors:
            tensor.grad = torch.randn(tensor.shape, generator=generator, dtype=dtype)
        gradient = torch.cat([tensor.grad.flatten() for tensor in tensors])
        row, state = rule.step(row, gradient, state, lr)
        optimizer.step()
        assert torch.equal(row, torch.cat([tensor.detach().flatten() for tensor in tensors]))
    assert case != "adamw" or state["step"].item() == 20


@pytest.mark.parametrize("case", CASES)
def test_an_optimiser_step_leaves_its_inputs_and_packs_bit_for_bit(case):
    _, rule = CASES[case]
    rows, gradients = torch.randn(3, 17, dtype=torch.float64), torch.randn(3, 17, dtype=torch.float64)
    states = [rule.start(row) for row in rows]
    packed_state, packed, singly = rule.start(rows), rows.clone(), list(rows)
    for _ in range(3):
        given = packed.clone()
        after, packed_state = rule.step(packed, gradients, packed_state, 0.1)
        assert torch.equal(packed, given)
        packed = after
        for i in range(3):
            singly[i], states[i] = rule.step(singly[i], gradients[i], states[i], 0.1)
    assert torch.equal(packed, torch.stack(singly))
    assert all(torch.equal(packed_state[key], torch.stack([state[key] for state in states])) for key in packed_state)


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_local_training_is_a_plain_torch_loop(case, batch_norm):
    arguments, shards = CASES[case][0], blobs()
    model = Mlp(hidden=(8, 5), batch_norm=batch_norm)
    options = {"momentum": 0.0, "weight_decay": 0.0, **arguments, "batch": 16}
    work = job(method("baseline/local", **options), shards, model=model, rounds=4)
    done = run(work)
    for i, shard in enumerate(shards):
        trained, losses = by_hand(work, options, shard, i)
        row = torch.cat([p.detach().flatten() for p in trained.parameters()])
        assert np.abs(done.params[i] - row.numpy()).max() < 1e-12
        statistics = [b.flatten() for b in trained.buffers() if b.is_floating_point()]
        if statistics:
            assert torch.allclose(done.models[i]["buffers"], torch.cat(statistics), rtol=0, atol=1e-12)
        # trap 10: the reported loss is the mean over examples, not over batches of unequal size
        assert [each.losses[shard.name] for each in done.rounds] == pytest.approx(losses, abs=1e-12)


def by_hand(work, options: dict, shard, i: int) -> tuple[torch.nn.Module, list[float]]:
    torch.manual_seed(seed_for(work.seed, "init"))
    model = torch.nn.Sequential(*[module for _, module in work.model.stages(work.example, work.outputs)]).double()
    optimizer = torchs_own(options, list(model.parameters()))
    x, y, losses = torch.tensor(shard.train.x).double(), torch.tensor(shard.train.y), []
    for t in range(work.rounds):
        total = 0.0
        for index in plan(len(y), 16, None, None, stream(work.seed, "batches", t, i)):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(x[index]), y[index])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index)
        losses.append(total / len(y))
    return model, losses


SCHEDULES = {
    "constant": ({}, lambda t, n: 0.3),
    "step": ({"every": 3, "factor": 0.5}, lambda t, n: 0.3 * 0.5 ** (t // 3)),
    "exponential": ({"factor": 0.9}, lambda t, n: 0.3 * 0.9**t),
    "cosine": ({"floor": 0.01}, lambda t, n: 0.01 + 0.29 * (1 + np.cos(np.pi * t / (n - 1))) / 2),
}


@pytest.mark.parametrize("use", SCHEDULES)
def test_learning_rates_follow_their_formula(use):
    arguments, formula = SCHEDULES[use]
    found = LearningRate(use=use, **arguments).rates(0.3, 11)
    assert found == pytest.approx([formula(t, 11) for t in range(11)], rel=1e-12)


@pytest.mark.parametrize("use", SCHEDULES)
@pytest.mark.parametrize("rounds", [0, 1, 2])
def test_learning_rates_of_short_runs_begin_at_lr(use, rounds):
    found = LearningRate(use=use).rates(0.3, rounds)
    assert len(found) == rounds
    assert found[:1] == [0.3][:rounds]


def test_each_round_trains_at_its_own_rate():
    """One plain step a round on f = x^2 / 2 from x = 0 towards a = 1: 1 - x is the product of (1 - rate)."""
    from tests.jobs import quadratic

    schedule = {"use": "exponential", "factor": 0.5}
    algorithm = method("baseline/local", lr=0.4, batch=None, momentum=0.0, weight_decay=0.0, lr_schedule=schedule)
    done = run(job(algorithm, quadratic([1.0]), rounds=4))
    assert done.params[0, 0] == pytest.approx(1 - np.prod([1 - 0.4 * 0.5**t for t in range(4)]), abs=1e-14)


def test_rng_addresses_decide_the_batches():
    first = plan(37, 16, None, None, stream(0, "batches", 0, 0))
    assert [index.tolist() for index in first] == [
        i.tolist() for i in plan(37, 16, None, None, stream(0, "batches", 0, 0))
    ]
    assert seed_for(0, "batches", 0, 0) != seed_for(0, "batches", 0, 1)


def test_a_schedule_refuses_arguments_that_it_would_ignore():
    with pytest.raises(ValueError, match="lr_schedule constant does not read every"):
        LearningRate(use="constant", every=3)
    assert LearningRate(**LearningRate(use="step", every=3).model_dump()).every == 3  # defaults may be written out
