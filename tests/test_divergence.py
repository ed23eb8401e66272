"""A number that is no longer finite ends the run and is named: round, institution, tensor; exit code 3."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.baseline.local import Local
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.host import Diverged
from tests.jobs import blobs, job, quadratic
from tests.methods import VARIANTS, method, small_job

CASES = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]


def message(runtime, work) -> str:
    runtime.start(work)
    with pytest.raises(Diverged) as caught:
        runtime.advance(0, work.rounds)
    assert caught.value.exit_code == 3
    return str(caught.value)


def explosion(lr: float = 1e160, momentum: float = 0.0):
    """x grows by a factor lr a step, for institution 1 alone: 1 and lr are finite, lr^2 is not."""
    return job(Local(lr=lr, momentum=momentum), quadratic([0.0, 1.0, 0.0]), rounds=4)


@pytest.mark.parametrize("packed", [False, True])
def test_the_round_the_institution_and_the_tensor_are_named(packed):
    from dataclasses import replace

    with Inline() as runtime:
        words = message(runtime, replace(explosion(), packed=packed))
    assert "diverged in round 2: institution-1 " in words
    assert "point.x" in words


def test_the_stage_of_a_network_is_named():
    shards = blobs()
    shards[2].train.x[:, 4] = np.inf
    with Inline() as runtime:
        words = message(runtime, job(method("baseline/local"), shards))
    assert "round 1: institution-2 " in words
    assert "hidden1.0.weight" in words


def test_a_loss_that_is_not_finite_is_a_divergence_though_every_weight_is():
    """(1e200)^2 is infinite, its gradient is not."""
    with Inline() as runtime:
        words = message(runtime, job(Local(lr=1e-3), quadratic([0.0, 1e200]), rounds=2))
    assert "round 1: institution-1 " in words
    assert "loss" in words


def test_large_finite_weights_whose_sum_overflows_are_no_divergence():
    from swarmsim.types import Part, Shard, Tick

    part = Part(np.zeros((1, 1), np.float32), np.full((1, 3), 8e307))
    work = job(Local(lr=1.0), [Shard("institution-0", part, part, part)], rounds=1)
    with Inline() as runtime:
        runtime.start(work)
        runtime._host.state = work.algorithm.round(
            runtime._host.state, Tick(0), runtime._host.world
        )  # its loss overflows
        assert np.isfinite(runtime.models()[0]["params"].numpy()).all()
        assert runtime._host._broken() == []


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_method_says_that_it_diverged(name, arguments):
    work = small_job(name, {**arguments, "lr": 1e200}, rounds=3, model={"batch_norm": False})
    with Inline() as runtime:
        words = message(runtime, work)
    steps = work.algorithm.local_steps  # the first makes large numbers, the second others that are not finite
    assert f"diverged in round {2 if steps == 1 else 1}: " in words
    assert "NaN" in words


@pytest.mark.ray
def test_ray_says_the_same(ray_hosts):
    from dataclasses import replace

    work = explosion()
    with Inline() as runtime:
        words = message(runtime, work)
    assert message(ray_hosts, replace(work, hosts={"institution": (0, 1, 2), "server": ()})) == words
