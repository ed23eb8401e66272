"""Vertical split learning is the training of the joint model on the joined columns: against plain torch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from swarmsim.models.multimodal import Multimodal
from swarmsim.types import Arguments
from tests.comparing import within
from tests.jobs import blobs, columns, job, run
from tests.loops import assert_rows, batches, flat, modules
from tests.methods import method, small_job

SHARDS, BLOCKS = columns(blobs())  # 106 patients: the last batch of 16 has 10
OPTIMISERS = {
    "sgd": ({"momentum": 0.9, "weight_decay": 0.01}, lambda p: torch.optim.SGD(p, 0.05, 0.9, weight_decay=0.01)),
    "adamw": (
        {"optimizer": "adamw", "momentum": 0.0, "weight_decay": 0.1},
        lambda p: torch.optim.AdamW(p, 0.05, weight_decay=0.1),
    ),
}
HOME = {"labels": "institution", "cut": "output"}


def trained(model=None, shards=SHARDS, **arguments):
    work = job(method("split/vertical", **arguments), shards, model=model or MODELS["concat"], blocks=BLOCKS, rounds=3)
    return work, run(work)


class Uneven(Arguments):
    """Institution k sends k + 1 features, so that slices of the gradient that are mixed up do not fit."""

    def stages(self, example, outputs):
        fed = [(block.name, Features(block.size, k + 1)) for k, block in enumerate(example)]
        wide = sum(range(len(example) + 1))
        hidden = torch.nn.Sequential(torch.nn.Linear(wide, 4), torch.nn.Tanh())
        return [*fed, ("hidden", hidden), ("output", torch.nn.Sequential(torch.nn.Linear(4, outputs)))]


class Features(torch.nn.Module):
    """[B, own columns and others'] -> [B, others' columns, own features]."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.columns, self.layer = columns, torch.nn.Linear(columns, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x[:, self.columns :], torch.tanh(self.layer(x[:, : self.columns]))], 1)


MODELS = {"uneven": Uneven()} | {
    fusion: Multimodal(width=3, hidden=(4,), head=(5,), fusion=fusion) for fusion in ("concat", "sum", "mean", "max")
}


def joint_columns() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.cat([torch.tensor(shard.train.x).double() for shard in SHARDS], 1)
    return x, torch.tensor(SHARDS[-1].train.y)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("where", [{}, HOME])
def test_it_is_the_joint_model_on_aligned_columns(where, optimiser, kind):
    """Trap 19: x and y are put side by side by hand, row by row."""
    arguments, torchs = OPTIMISERS[optimiser]
    work, done = trained(MODELS[kind], **arguments, **where)
    model, (x, y) = torch.nn.Sequential(*modules(work)), joint_columns()
    optimizer = torchs(list(model.parameters()))
    for t in range(work.rounds):
        for index in batches(work, work.label_holder, t):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x[index]), y[index]).backward()
            optimizer.step()
    assert_rows(done.params[0], flat([model]))


@pytest.mark.parametrize(("more", "tolerance"), [({}, 0.0), ({"clip": 0.5}, 1e-12)])
def test_labels_at_the_institution_change_nothing(more, tolerance):
    """The head at the label holder computes what the server's top would: one cut more; clipping adds in other order."""
    arguments = {**more, "optimizer": "adamw", "momentum": 0.0}
    away, home = (
        run(small_job("split/vertical", {**arguments, **where}, model={"dropout": 0.3})).models for where in ({}, HOME)
    )
    assert within(home, away, tolerance)


def test_rows_out_of_line_are_another_training():
    """Trap 19: one institution's patients in another order, and the result is not the joint model's."""
    part = SHARDS[0].train
    turned = replace(SHARDS[0], train=replace(part, x=part.x[::-1].copy()))
    aligned, wrong = trained()[1], trained(shards=[turned, *SHARDS[1:]])[1]
    assert abs(aligned.params - wrong.params).max() > 1e-3
