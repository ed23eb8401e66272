"""Gradient clipping where the gradient lies in several places: torch's clip_grad_norm_ on the network in one piece."""

from __future__ import annotations

import pytest
import torch

from swarmsim.models.multimodal import Multimodal
from tests.comparing import kinds, within
from tests.jobs import blobs, columns, job, run
from tests.loops import assert_rows, batches, flat, modules, taken
from tests.methods import method, small_job

SGD = {"momentum": 0.9, "weight_decay": 0.01, "batch": 16}
SHARDS, CLIP, FLOAT = blobs(), 0.3, 8


def stages(*pairs) -> dict:
    return {"stages": tuple({"owner": owner, "until": until} for owner, until in pairs)}


STAGES = {
    "cut": {"cut": 1},
    "u-shaped": {"cut": (1, 2)},
    "hops": stages(("institution", 1), ("server", 2), ("server-b", None)),
    "peers": stages(("institution", 1), ("institution-1", 2), ("server", None)),
}


def by_hand(work, norms, order=(0, 1, 2)) -> list[torch.nn.Module]:
    """Cyclical weight transfer in torch; `norms(stages)` clips after every backward pass."""
    stages, rounds = modules(work), work.rounds
    model = torch.nn.Sequential(*stages)
    optimizer = torch.optim.SGD(model.parameters(), 0.05, 0.9, weight_decay=0.01)
    for t in range(rounds):
        for i in order:
            for index in batches(work, i, t):
                x, y = taken([SHARDS[i]], [index])
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(x), y).backward()
                norms(stages)
                optimizer.step()
    return stages


def of_all(stages: list) -> None:
    torch.nn.utils.clip_grad_norm_([p for stage in stages for p in stage.parameters()], CLIP)


def of_each(stages: list) -> None:
    for stage in stages:
        torch.nn.utils.clip_grad_norm_(stage.parameters(), CLIP)


def of_bottom_and_rest(stages: list) -> None:
    of_each([stages[0], torch.nn.Sequential(*stages[1:])])


def program(chain: str, **arguments):
    return job(method("split/horizontal", **SGD, **STAGES[chain], **arguments), SHARDS, rounds=2)


@pytest.mark.parametrize("chain", STAGES)
def test_the_norm_of_all_parts_is_that_of_the_unsplit_network(chain):
    """Trap 11: clipping each half by itself would show in the last line."""
    work = program(chain, clip=CLIP)
    expected = flat(by_hand(work, of_all))
    assert_rows(run(work).params[0], expected)
    assert (flat(by_hand(work, of_each)) - expected).abs().max() > 1e-4
    assert (flat(by_hand(work, lambda stages: None)) - expected).abs().max() > 1e-4


@pytest.mark.parametrize(("chain", "norms"), [("cut", of_bottom_and_rest), ("u-shaped", of_each), ("hops", of_each)])
def test_the_norm_of_a_part_is_that_of_its_parameters_alone(chain, norms):
    work = program(chain, clip=CLIP, clip_norm="part")
    done = run(work)
    assert_rows(done.params[0], flat(by_hand(work, norms)))
    assert "control" not in kinds(done.rounds)


@pytest.mark.parametrize("chain", STAGES)
def test_a_limit_that_is_never_reached_changes_no_bit(chain):
    free, limited = run(program(chain)), run(program(chain, clip=1e6))
    assert within(free.models, limited.models)


@pytest.mark.parametrize("packed", [False, True])
def test_local_training_clips_as_torch_does(packed):
    work = job(method("baseline/local", clip=CLIP, **SGD), SHARDS, rounds=2, packed=packed)
    rows = run(work).params
    for i in range(3):
        assert_rows(rows[i], flat(by_hand(work, of_all, order=(i,))))


# Numbers that cross for the joint norm, in a step of one institution: a square of each of its parts and of each part
# elsewhere that is not where the norms meet (behind the first cut), and a factor back to each holder.
CONTROL = {"cut": 1 + 1, "u-shaped": 2 + 1, "hops": 1 + 1 + 2, "peers": 1 + 1 + 2}


@pytest.mark.parametrize("chain", STAGES)
def test_the_joint_norm_costs_a_few_numbers_a_step(chain):
    (each,) = run(job(program(chain, clip=CLIP).algorithm, SHARDS, rounds=1)).rounds
    steps = (3, 2, 3)
    total = sum(steps) * CONTROL[chain]
    if chain == "peers":  # institution-1 meets itself: neither its square nor its factor crosses
        total -= steps[1] * 2
    assert kinds([each])["control"] == total * FLOAT


def test_the_joint_norm_of_a_joint_batch_costs_two_numbers_an_institution():
    axes = {"serving": "concatenated", "institution_weights": "private"}
    (each,) = run(job(program("cut", clip=CLIP, **axes).algorithm, SHARDS, rounds=1)).rounds
    assert kinds([each])["control"] == 2 * (3 + 3 + 2) * FLOAT


def test_the_joint_norm_of_vertical_data_is_that_of_the_joint_model():
    (shards, blocks), model = columns(SHARDS), Multimodal(width=3, hidden=(4,), head=(5,))
    work = job(method("split/vertical", clip=CLIP, **SGD), shards, model=model, blocks=blocks, rounds=2)
    done, joint = run(work), torch.nn.Sequential(*modules(work))
    x = torch.cat([torch.tensor(shard.train.x).double() for shard in shards], 1)
    y = torch.tensor(shards[-1].train.y)
    optimizer = torch.optim.SGD(joint.parameters(), 0.05, 0.9, weight_decay=0.01)
    for t in range(2):
        for index in batches(work, 2, t):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(joint(x[index]), y[index]).backward()
            torch.nn.utils.clip_grad_norm_(joint.parameters(), CLIP)
            optimizer.step()
    assert_rows(done.params[0], flat([joint]))
    assert kinds(done.rounds)["control"] == 2 * 7 * 2 * 3 * FLOAT  # 106 patients by 16; squares and factors


def test_a_local_loss_clips_bottom_and_auxiliary_head_together():
    """One step from the same start: what both moved together has the norm lr * clip."""
    plain = {"momentum": 0.0, "weight_decay": 0.0, "batch": None, "local_steps": 1}
    arguments = {**plain, "cut": 1, "institution_weights": "private", "clip": 0.01}
    start, after = (run(small_job("split/auxiliary", arguments, rounds=rounds)).state for rounds in (0, 1))
    for i in range(3):
        parts = ("bottom", "auxiliary")
        moved = [
            after[f"members/{i}"][part]["weights"]["params"] - start[f"members/{i}"][part]["weights"]["params"]
            for part in parts
        ]
        assert torch.cat(moved).norm().item() == pytest.approx(0.05 * 0.01, rel=1e-3)
        assert all(piece.norm() > 0 for piece in moved)
