"""Looking at a run changes nothing (trap 16), and looks at examples that nobody trained on (trap 36)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.runtime.driver import Inline
from tests.comparing import digest
from tests.jobs import blobs
from tests.methods import VARIANTS, small_job

CASES = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_evaluation_leaves_the_state_and_the_ledger_as_they_were(name, arguments):
    work = small_job(name, arguments, model={"dropout": 0.3})
    with Inline() as looked_at, Inline() as left_alone:
        merged = not work.blocks  # of vertical data there is one model
        for runtime in (looked_at, left_alone):
            runtime.start(work)
        looked_at.predict(0, (0, 1, 2), merged)
        for t in range(work.rounds):
            before = looked_at.advance(t, t + 1), digest(looked_at.save())
            looked_at.predict(t + 1, (0, 1), merged)
            looked_at.models(), looked_at.parts()
            assert digest(looked_at.save()) == before[1]
            assert [each.traffic for each in before[0]] == [each.traffic for each in left_alone.advance(t, t + 1)]
        assert digest(looked_at.save()) == digest(left_alone.save())


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_predictions_are_those_of_the_returned_model_in_evaluation_mode(name, arguments):
    """Mismatched halves, or BatchNorm in training mode, would show: against torch's own modules with these weights."""
    work = small_job(name, arguments, model={"dropout": 0.3})
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, work.rounds)
        outputs, models = runtime.predict(work.rounds, (), False).outputs, runtime.models()
    assert models
    for i, weights in models.items():
        stages = work.model.stages(work.blocks or work.example, work.outputs)
        model = torch.nn.Sequential(*[module for _, module in stages]).double()
        _fill(model, weights)
        expected = model.eval()(torch.tensor(work.shards[i].test.x).double()).detach().numpy()
        assert np.allclose(outputs["local", i, "test"], expected, rtol=0, atol=1e-13)


def _fill(model: torch.nn.Module, weights: dict) -> None:
    floats = [b for b in model.buffers() if b.is_floating_point()]
    for tensors, row in ((list(model.parameters()), weights["params"]), (floats, weights["buffers"])):
        with torch.no_grad():
            for tensor, piece in zip(tensors, row.split([t.numel() for t in tensors]), strict=True):
                tensor.copy_(piece.view(tensor.shape))


def test_what_is_predicted_is_named_by_model_institution_and_split():
    work = small_job("swarm/dpsgd", {}, rounds=1)
    with Inline() as runtime:
        runtime.start(work)
        found = runtime.predict(0, (1,), True).outputs
    own = {(model, i, split) for model in ("local", "merged") for i in range(3) for split in ("validation", "test")}
    assert set(found) == own | {("local", 1, "pooled"), ("merged", 0, "pooled")}
    assert [len(found[key]) for key in (("local", 0, "validation"), ("local", 0, "test"), ("local", 1, "pooled"))] == [
        8,
        12,
        36,
    ]


def test_the_merged_model_is_the_mean_and_the_distances_are_to_it():
    work = small_job("swarm/dpsgd", {"batch_norm": "local"}, rounds=2)
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 2)
        distances, rows = runtime.predict(2, (), True).distances, runtime.models()
    params = np.stack([rows[i]["params"].numpy() for i in range(3)])
    assert np.allclose([distances[i] for i in range(3)], ((params - params.mean(0)) ** 2).sum(1), rtol=1e-12)
    assert min(distances.values()) > 0


def test_each_institution_is_tried_on_its_own_examples():
    work = small_job("baseline/local", {}, shards=blobs((20, 20, 20)))
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 1)
        found = runtime.predict(1, (0, 1, 2), False).outputs
    for i in range(3):
        pooled = found["local", i, "pooled"]
        assert np.allclose(pooled[12 * i : 12 * (i + 1)], found["local", i, "test"], rtol=0, atol=1e-13)
