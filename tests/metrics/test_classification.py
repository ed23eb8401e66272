"""Classification scores against scikit-learn and by hand."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics

from swarmsim.metrics.classification import scores


def draw(m, classes, seed=0):
    random = np.random.default_rng(seed)
    return random.normal(size=(m, classes)), random.integers(0, classes, m)


@pytest.mark.parametrize(("m", "classes"), [(100, 2), (7, 2), (200, 5), (60, 11)])
@pytest.mark.parametrize("seed", range(3))
def test_equals_scikit_learn(m, classes, seed):
    z, y = draw(m, classes, seed)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    guess = z.argmax(1)
    found = scores(z, y)
    present = [k for k in range(classes) if 0 < (y == k).sum() < m]
    areas = [metrics.roc_auc_score(y == k, p[:, k]) for k in ([1] if classes == 2 else present)]
    assert found["loss"] == pytest.approx(metrics.log_loss(y, p, labels=range(classes)), abs=1e-12)
    assert found["accuracy"] == pytest.approx(metrics.accuracy_score(y, guess), abs=1e-12)
    with warnings.catch_warnings(action="ignore"):  # scikit-learn warns of classes that are guessed but absent
        assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(y, guess), abs=1e-12)
    assert found["auroc"] == pytest.approx(np.mean(areas), abs=1e-12)
    if classes == 2:
        assert found["sensitivity"] == pytest.approx(metrics.recall_score(y, guess), abs=1e-12)
        assert found["specificity"] == pytest.approx(metrics.recall_score(y, guess, pos_label=0), abs=1e-12)


def test_multiclass_is_macro_one_vs_rest():
    z, y = draw(90, 4)
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    assert scores(z, y)["auroc"] == pytest.approx(metrics.roc_auc_score(y, p, multi_class="ovr"), abs=1e-12)


def test_by_hand():
    z = np.array([[0, -1], [0, 1], [0, -2], [0, 3.0]])
    found = scores(z, np.array([0, 0, 1, 1]))
    assert found["accuracy"] == found["sensitivity"] == found["specificity"] == 0.5
    assert found["auroc"] == 0.5  # of the pairs (-1, -2), (-1, 3), (1, -2), (1, 3) two are in order
    assert "sensitivity" not in scores(np.zeros((4, 3)), np.array([0, 1, 2, 0]))


def test_ties_count_half():
    random = np.random.default_rng(0)
    gap, y = random.integers(-2, 3, 80).astype(float), random.integers(0, 2, 80)
    found = scores(np.stack([np.zeros(80), gap], 1), y)
    assert found["auroc"] == pytest.approx(metrics.roc_auc_score(y, gap), abs=1e-12)
    assert scores(np.zeros((80, 2)), y)["auroc"] == 0.5


def test_one_class_has_no_auroc_and_no_recall_of_the_other():
    found = scores(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([1, 1]))
    assert set(found) == {"loss", "accuracy", "balanced_accuracy", "sensitivity"}
    assert found["sensitivity"] == found["balanced_accuracy"] == 0.5


def test_classes_that_are_absent_do_not_count():
    z, y = draw(50, 5)
    y = np.where(y == 3, 0, y)
    present = [metrics.roc_auc_score(y == k, (z - np.log(np.exp(z).sum(1, keepdims=True)))[:, k]) for k in (0, 1, 2, 4)]
    assert scores(z, y)["auroc"] == pytest.approx(np.mean(present))


def test_undefined_is_left_out():
    assert scores(np.zeros((0, 2)), np.zeros(0, int)) == {}
    assert scores(np.array([[np.nan, 0.0]]), np.array([0])) == {}


def test_large_logits_neither_overflow_nor_tie():
    z = np.array([[0, 1000.0], [0, 2000.0], [0, 3000.0]])
    found = scores(z, np.array([0, 1, 1]))
    assert found["auroc"] == 1.0
    assert found["loss"] == pytest.approx(1000 / 3)
