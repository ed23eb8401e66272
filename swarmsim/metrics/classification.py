"""Scores of a classifier on one test set, from its logits."""

from __future__ import annotations

import numpy as np

__all__ = ["recalls", "scores"]


def scores(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Loss, accuracy, balanced accuracy, AUROC and, for two classes, sensitivity and specificity.

    loss = -(1/m) sum_b log softmax(z_b)[y_b]; balanced accuracy is the mean recall of the classes that occur;
    AUROC is one-vs-rest, its mean over the classes that have both members and non-members here. What is
    undefined is left out (AUROC of a test set with one class); so is everything when the set is empty or a
    logit is not finite.

    Shapes: logits [m, C], targets [m] int in 0..C-1.
    Reference: Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 1982.
    """
    z = np.asarray(logits, dtype=np.float64)
    y = np.asarray(targets)
    if not len(y) or not np.isfinite(z).all():
        return {}
    log_p = _log_softmax(z)
    found_again = recalls(z, y)
    found = {
        "loss": float(-log_p[np.arange(len(y)), y].mean()),
        "accuracy": float((z.argmax(1) == y).mean()),
        "balanced_accuracy": float(np.mean(list(found_again.values()))),
    }
    areas = _areas(z, log_p, y)
    if areas:
        found["auroc"] = float(np.mean(areas))
    if z.shape[1] == 2:
        found |= {name: found_again[k] for k, name in ((1, "sensitivity"), (0, "specificity")) if k in found_again}
    return found


def _log_softmax(z: np.ndarray) -> np.ndarray:
    shifted = z - z.max(1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def recalls(logits: np.ndarray, targets: np.ndarray) -> dict[int, float]:
    """The share of each occurring class that was recognised; {} if a logit [m, C] is not finite."""
    z, y = np.asarray(logits), np.asarray(targets)
    if not np.isfinite(z).all():
        return {}
    classes = z.shape[1]
    members = np.bincount(y, minlength=classes)
    hits = np.bincount(y[z.argmax(1) == y], minlength=classes)
    return {k: float(hits[k] / members[k]) for k in range(classes) if members[k]}


def _areas(z: np.ndarray, log_p: np.ndarray, y: np.ndarray) -> list[float]:
    """AUROC of each class against the rest; for two classes, that of class 1.

    It depends on the order of the probabilities only: of two classes the difference of the logits has that
    order too, and does not saturate.
    """
    if z.shape[1] == 2:
        return _area(z[:, 1] - z[:, 0], y == 1)
    return [area for k in range(z.shape[1]) for area in _area(log_p[:, k], y == k)]


def _area(score: np.ndarray, member: np.ndarray) -> list[float]:
    """[AUROC], or [] where there are no members or nothing else."""
    if member.all() or not member.any():
        return []
    from sklearn import config_context
    from sklearn.metrics import auc, roc_curve

    with config_context(assume_finite=True, skip_parameter_validation=True):
        false_positives, true_positives, _ = roc_curve(member, score)
        return [float(auc(false_positives, true_positives))]
