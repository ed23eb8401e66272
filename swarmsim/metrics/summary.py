"""Many institutions, one metric: how good on average, and how good where it is worst."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable

__all__ = ["HIGHER_IS_BETTER", "best_of", "main_metric", "mean", "spread"]

HIGHER_IS_BETTER = {
    "auroc": True,
    "balanced_accuracy": True,
    "accuracy": True,
    "sensitivity": True,
    "specificity": True,
    "dice": True,
    "iou": True,
    "r2": True,
    "rmse": False,
    "mae": False,
    "loss": False,
    "consensus_distance": False,
    "spectral_gap": True,
    "window_gap": True,
    "effective_neighbours": True,
    "recall": True,
    "performance_gap": False,
    "backward_transfer": True,
    "staleness": False,
}
"""Whether more of a metric is better; ordered by which one speaks for a run."""


def best_of(metric: str) -> Callable[[Iterable[float]], float]:
    """`max` where higher is better, `min` where lower is."""
    metric = re.sub(r"_(at|of)_.*", "", metric)  # accuracy_at_2, recall_of_healthy
    if metric not in HIGHER_IS_BETTER:
        raise ValueError(f"metrics: is more {metric!r} better? known: {', '.join(HIGHER_IS_BETTER)}")
    return max if HIGHER_IS_BETTER[metric] else min


def mean(values: Iterable[float]) -> float:
    """The mean of at least one value, summed exactly: the order of the values does not matter."""
    values = list(values)
    return math.fsum(values) / len(values)


def spread(metric: str, values: Iterable[float]) -> dict[str, float]:
    """{"mean", "worst", "best"} of at least one institution's value."""
    values = list(values)
    best = best_of(metric)
    return {"mean": mean(values), "worst": min(values) if best is max else max(values), "best": best(values)}


def main_metric(metrics: Iterable[str]) -> str | None:
    """The metric that speaks for a run: the first of HIGHER_IS_BETTER that was measured."""
    measured = set(metrics)
    return next((metric for metric in HIGHER_IS_BETTER if metric in measured), None)
