"""The value of the quadratic objective."""

from __future__ import annotations

import numpy as np

__all__ = ["scores"]


def scores(outputs: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """loss = (1/2m) sum_b |x_b - a_b|^2; left out when there is no target or an output is not finite.

    Shapes: outputs [m, k], targets [m, k].
    """
    x = np.asarray(outputs, dtype=np.float64)
    if not len(x) or not np.isfinite(x).all():
        return {}
    return {"loss": float(0.5 * np.square(x - targets).sum(1).mean())}
