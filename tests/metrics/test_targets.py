"""Targets: better is what it is for the metric, worst is the worst institution, and unknown metrics are refused."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.metrics import classification, objective, regression, segmentation
from swarmsim.metrics.targets import check_targets, first_reached, known_metrics
from swarmsim.types import InputError

NAN = float("nan")


def over(*rounds):
    """Evaluations in rounds 0, 10, 20, ..."""
    return [(10 * k, dict(zip("abc", values, strict=False))) for k, values in enumerate(rounds)]


@pytest.mark.parametrize(
    ("metric", "target", "rounds", "expected"),
    [
        ("auroc", 0.8, [(0.5, 0.6), (0.7, 0.9), (0.8, 0.9)], (10, 20)),  # exactly the target is enough
        ("loss", 0.5, [(0.9, 0.2), (0.7, 0.2), (0.4, 0.5)], (10, 20)),  # lower is better, the worst is the largest
        ("rmse", 1.0, [(2.0, 3.0), (1.5, 0.5)], (10, None)),
        ("auroc", 0.8, [(0.9, 0.9), (0.1, 0.1)], (0, 0)),  # the first time counts, not the last
        ("auroc", 0.95, [(0.9, 0.9)], (None, None)),
        ("auroc", 0.8, [(NAN, 0.9), (0.9, 0.9)], (0, 0)),  # what is not finite is left out, as in the summary
        ("auroc", 0.8, [(NAN, NAN)], (None, None)),
        ("auroc", 0.8, [], (None, None)),
    ],
)
def test_the_first_evaluation_that_is_no_worse(metric, target, rounds, expected):
    assert first_reached(metric, target, over(*rounds)) == dict(zip(("mean", "worst"), expected, strict=True))


def test_the_known_metrics_are_those_that_are_measured():
    rng = np.random.default_rng(0)
    logits, y, numbers = rng.normal(size=(20, 2)), np.arange(20) % 2, rng.normal(size=(20, 1))
    masks = np.ones((20, 1, 2, 2))
    measured = {
        ("classification", 2): classification.scores(logits, y),
        ("classification", 3): classification.scores(rng.normal(size=(20, 3)), np.arange(20) % 3),
        ("regression", 0): regression.scores(numbers, numbers + 1),
        ("segmentation", 0): segmentation.scores(masks, masks),
        ("objective", 0): objective.scores(numbers, numbers),
    }
    for (scored_by, classes), found in measured.items():
        assert set(known_metrics(scored_by, classes)) == set(found)


def test_an_unknown_metric_is_refused_with_those_there_are():
    with pytest.raises(InputError, match=r"swarm-dpsgd: evaluate\.targets: 'auc'.*: loss, .*auroc"):
        check_targets(["auroc", "auc"], "classification", 2, "swarm-dpsgd")
    with pytest.raises(InputError, match=r"'sensitivity'.*: loss, accuracy, balanced_accuracy, auroc$"):
        check_targets(["sensitivity"], "classification", 3, "x")
    check_targets(["sensitivity", "loss"], "classification", 2, "x")
