"""Regression, the quadratic objective, and figures over institutions."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from swarmsim.metrics import objective, regression
from swarmsim.metrics.summary import HIGHER_IS_BETTER, best_of, main_metric, spread


def test_regression_equals_scikit_learn():
    random = np.random.default_rng(0)
    z, y = random.normal(size=(40, 3)), random.normal(size=(40, 3))
    found = regression.scores(z, y)
    assert found["loss"] == pytest.approx(metrics.mean_squared_error(y, z))
    assert found["rmse"] == pytest.approx(metrics.mean_squared_error(y.ravel(), z.ravel()) ** 0.5)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(y, z))
    assert found["r2"] == pytest.approx(metrics.r2_score(y, z))


def test_regression_by_hand():
    found = regression.scores(np.array([[1.0], [2.0], [5.0]]), np.array([[1.0], [2.0], [3.0]]))
    assert found == pytest.approx({"loss": 4 / 3, "rmse": (4 / 3) ** 0.5, "mae": 2 / 3, "r2": -1.0})


def test_r2_needs_targets_that_vary():
    z = np.array([[1.0, 0.0], [2.0, 1.0]])
    assert "r2" not in regression.scores(z, np.ones((2, 2)))
    assert "r2" not in regression.scores(z[:1], z[:1])
    assert regression.scores(z, np.array([[1.0, 7.0], [2.0, 7.0]]))["r2"] == 1.0
    assert regression.scores(z[:0], z[:0]) == {}
    assert regression.scores(np.full((2, 2), np.inf), z) == {}


def test_objective():
    found = objective.scores(np.array([[1.0, 1.0], [1.0, 1.0]]), np.array([[0.0, 0.0], [1.0, 3.0]]))
    assert found == {"loss": 0.5 * (2 + 4) / 2}
    assert objective.scores(np.zeros((0, 1)), np.zeros((0, 1))) == {}
    assert objective.scores(np.array([[np.inf]]), np.zeros((1, 1))) == {}


def test_worst_follows_the_direction_of_the_metric():
    assert spread("auroc", [0.5, 0.9, 0.7]) == pytest.approx({"mean": 0.7, "worst": 0.5, "best": 0.9})
    assert spread("loss", [1.0, 3.0]) == {"mean": 2.0, "worst": 3.0, "best": 1.0}
    with pytest.raises(ValueError, match="'kappa'"):
        best_of("kappa")


def test_the_mean_does_not_depend_on_the_order():
    values = np.random.default_rng(0).normal(size=100).tolist()
    assert spread("loss", values) == spread("loss", values[::-1])


def test_every_score_has_a_direction():
    logits, y = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1])
    from swarmsim.metrics import classification

    for found in (
        classification.scores(logits, y),
        regression.scores(logits, logits),
        objective.scores(logits, logits),
    ):
        assert set(found) <= set(HIGHER_IS_BETTER)


def test_main_metric():
    assert main_metric(["loss", "accuracy", "auroc"]) == "auroc"
    assert main_metric(["loss"]) == "loss"
    assert main_metric([]) is None
