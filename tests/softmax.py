"""Multinomial logistic regression by hand in numpy, for loops beside a method on a problem that is not quadratic."""

from __future__ import annotations

import numpy as np

from swarmsim.models.logistic import Logistic
from tests.jobs import blobs, job
from tests.methods import method

__all__ = ["LR", "SHARDS", "regression", "slopes", "zeros"]

LR = 0.3
SHARDS = blobs((37, 21, 48, 30, 25))


def regression(name: str, rounds: int = 12, mixing=None, schedule=None, **arguments):
    """A job on SHARDS whose rounds are one full-batch step of size LR each."""
    plain = {"lr": LR, "batch": None, "momentum": 0.0, "weight_decay": 0.0, "local_steps": 1}
    return job(
        method(name, **{**plain, **arguments}), SHARDS, model=Logistic(), mixing=mixing, schedule=schedule,
        rounds=rounds,
    )  # fmt: skip


def zeros() -> np.ndarray:
    """Where every institution starts [n, d]."""
    return np.zeros((len(SHARDS), 3 * 6 + 3))


def slopes(x: np.ndarray) -> np.ndarray:
    """grad f_i(x_i) of the mean cross-entropy on each institution's shard [n, d]: weights [3, 6], then biases [3]."""
    found = []
    for row, shard in zip(x, SHARDS, strict=True):
        features, targets = shard.train.x.astype(float), shard.train.y
        logits = features @ row[:18].reshape(3, 6).T + row[18:]
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[np.arange(len(targets)), targets] -= 1
        found.append(np.concatenate([(p.T @ features).ravel(), p.sum(0)]) / len(targets))
    return np.array(found)
