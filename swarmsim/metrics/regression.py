"""Scores of a regression model on one test set."""

from __future__ import annotations

import numpy as np

__all__ = ["scores"]


def scores(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Loss (mean squared error), its root, mean absolute error and the coefficient of determination R^2.

    R^2 is the mean over the targets that vary here, and left out when none does. All is left out when the set
    is empty or an output is not finite.

    Shapes: outputs [m, k], targets [m, k].
    Reference: Draper and Smith, Applied Regression Analysis, 1998, chapter 1.
    """
    z = np.asarray(outputs, dtype=np.float64)
    y = np.asarray(targets, dtype=np.float64)
    if not len(y) or not np.isfinite(z).all():
        return {}
    from sklearn import config_context
    from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

    with config_context(assume_finite=True, skip_parameter_validation=True):
        loss = float(mean_squared_error(y, z))
        found = {"loss": loss, "rmse": loss**0.5, "mae": float(mean_absolute_error(y, z))}
        varies = (y != y[0]).any(0)
        if varies.any():
            found["r2"] = float(r2_score(y[:, varies], z[:, varies]))
    return found
