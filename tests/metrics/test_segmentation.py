"""Dice, intersection over union and loss: by hand and against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from swarmsim.metrics.scores import RULES
from swarmsim.metrics.segmentation import scores
from swarmsim.metrics.summary import HIGHER_IS_BETTER, best_of, main_metric


def draw(m: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    z, y = random.normal(size=(m, 1, side, side)), (random.random((m, 1, side, side)) < 0.3).astype(np.float32)
    y[0] = 0
    return z.astype(np.float32), y


def flat(images: np.ndarray) -> np.ndarray:
    return images.reshape(len(images), -1)


@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn(seed):
    z, y = draw(7, 6, seed)
    pairs = [(mask, hit) for mask, hit in zip(flat(y) > 0, flat(z) > 0, strict=True) if mask.any()]
    p = 1 / (1 + np.exp(-z.astype(np.float64)))
    found = scores(z, y)
    assert len(pairs) == 6
    assert found["dice"] == pytest.approx(np.mean([metrics.f1_score(*pair) for pair in pairs]), abs=1e-12)
    assert found["iou"] == pytest.approx(np.mean([metrics.jaccard_score(*pair) for pair in pairs]), abs=1e-12)
    assert found["loss"] == pytest.approx(metrics.log_loss(y.ravel(), p.ravel()), abs=1e-12)


def test_by_hand():
    """Two of three found with one too many; and nothing found of one pixel."""
    y = np.array([[1, 1, 1, 0, 0], [0, 0, 0, 0, 1]]).reshape(2, 1, 1, 5)
    z = np.array([[2, 2, -2, 2, -2], [-1, -1, -1, -1, -1.0]]).reshape(2, 1, 1, 5)
    found = scores(z, y)
    assert found["dice"] == pytest.approx((2 / 3 + 0) / 2)
    assert found["iou"] == pytest.approx((1 / 2 + 0) / 2)
    right, wrong = np.log1p(np.exp(-np.array([2, 1]))), np.log1p(np.exp(np.array([2, 1])))
    assert found["loss"] == pytest.approx((3 * right[0] + 2 * wrong[0] + 4 * right[1] + wrong[1]) / 10)


def test_images_without_foreground_count_in_the_loss_alone():
    z, y = draw(4, 5, 0)
    with_empty, without = scores(z, y), scores(z[1:], y[1:])
    assert (with_empty["dice"], with_empty["iou"]) == (without["dice"], without["iou"])
    assert with_empty["loss"] != without["loss"]
    assert set(scores(z[:1], y[:1])) == {"loss"}


def test_a_perfect_mask_scores_one_and_large_logits_do_not_overflow():
    _, y = draw(4, 5, 1)
    found = scores(np.where(y > 0, 1e4, -1e4).astype(np.float32), y)
    assert found == {"loss": 0.0, "dice": 1.0, "iou": 1.0}
    assert scores(np.full_like(y, -1e4), y)["loss"] == pytest.approx(1e4 * y.mean())


def test_undefined_is_left_out():
    assert scores(np.zeros((0, 1, 4, 4)), np.zeros((0, 1, 4, 4))) == {}
    assert scores(np.full((1, 1, 2, 2), np.nan), np.ones((1, 1, 2, 2))) == {}


def test_dice_speaks_for_a_run():
    z, y = draw(3, 4, 2)
    found = scores(z, y)
    assert RULES["segmentation"] is scores
    assert set(found) <= set(HIGHER_IS_BETTER)
    assert main_metric(sorted(found)) == "dice"
    assert (best_of("dice"), best_of("iou")) == (max, max)
