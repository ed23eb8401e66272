"""The plan of batches: every example once an epoch, ragged at its end (trap 10)."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmsim.local.batches import plan
from swarmsim.local.learner import Learner
from swarmsim.local.training import Training

SIZES, BATCHES = st.integers(1, 40), st.none() | st.integers(1, 45)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@given(SIZES, BATCHES, st.integers(1, 3))
def test_an_epoch_takes_every_example_once(size, batch, epochs):
    drawn = plan(size, batch, None, epochs, rng())
    per_epoch = len(drawn) // epochs
    for e in range(epochs):
        here = drawn[e * per_epoch : (e + 1) * per_epoch]
        assert sorted(np.concatenate(here).tolist()) == list(range(size))
        assert all(len(index) == min(batch or size, size) for index in here[:-1])


@given(SIZES, BATCHES, st.integers(1, 30))
def test_steps_go_on_through_epochs(size, batch, steps):
    drawn = plan(size, batch, steps, None, rng())
    assert len(drawn) == steps
    flat = np.concatenate(drawn).tolist()
    for start in range(0, len(flat), size):
        epoch = flat[start : start + size]
        assert len(set(epoch)) == len(epoch)


@given(st.integers(0, 40), BATCHES, st.none() | st.integers(1, 30), st.integers(1, 3))
def test_the_learner_foretells_how_many_batches_and_how_large(size, batch, steps, epochs):
    """Split learning serves by these numbers before any batch is drawn."""
    epochs = None if steps is not None else epochs
    training = Training(lr=0.1, batch=batch, local_steps=steps, local_epochs=epochs)
    learner = SimpleNamespace(training=training)
    drawn = plan(size, batch, steps, epochs, rng())
    assert Learner.count(learner, size) == len(drawn)
    assert [Learner.batch_size(learner, size, k) for k in range(len(drawn))] == [len(index) for index in drawn]


@pytest.mark.parametrize(("steps", "epochs"), [(None, None), (3, None), (None, 2)])
def test_an_institution_without_examples_takes_no_step(steps, epochs):
    assert plan(0, 16, steps, epochs, rng()) == []


def test_the_full_shard_keeps_its_order_and_a_batch_is_shuffled_anew_each_epoch():
    assert [index.tolist() for index in plan(5, None, 2, None, rng())] == [[0, 1, 2, 3, 4]] * 2
    first, second = (np.concatenate(plan(50, 16, None, 2, rng())[k : k + 4]).tolist() for k in (0, 4))
    assert first != second
    assert first != list(range(50))


def test_steps_and_epochs_exclude_each_other():
    with pytest.raises(ValueError, match="exclude each other"):
        Training(lr=0.1, local_steps=1, local_epochs=1)


def test_momentum_is_not_for_adamw():
    with pytest.raises(ValueError, match="momentum belongs to sgd"):
        Training(lr=0.1, optimizer="adamw", momentum=0.9)
