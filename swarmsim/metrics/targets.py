"""Targets of an experiment: the first evaluated round in which a score is as good as somebody asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from swarmsim.metrics.summary import best_of, spread
from swarmsim.types import InputError

__all__ = ["check_targets", "first_reached", "known_metrics"]

METRICS = {
    "classification": ("loss", "accuracy", "balanced_accuracy", "auroc", "sensitivity", "specificity"),
    "regression": ("loss", "rmse", "mae", "r2"),
    "segmentation": ("loss", "dice", "iou"),
    "objective": ("loss",),
}
FIGURES = ("mean", "worst")


def known_metrics(scored_by: str, classes: int) -> tuple[str, ...]:
    """What a task measures on a test set; sensitivity and specificity of two classes alone."""
    two = classes == 2
    return tuple(name for name in METRICS[scored_by] if two or name not in ("sensitivity", "specificity"))


def check_targets(targets: Iterable[str], scored_by: str, classes: int, label: str) -> None:
    """Raise InputError for a target whose metric the task does not measure."""
    for metric in targets:
        if metric not in (known := known_metrics(scored_by, classes)):
            raise InputError(
                f"{label}: evaluate.targets: {metric!r} is not measured here; metrics of task {scored_by}: "
                f"{', '.join(known)}"
            )


def first_reached(
    metric: str, target: float, evaluations: Iterable[tuple[int, Mapping[str, float]]]
) -> dict[str, int | None]:
    """{"mean": round, "worst": round} of the first evaluation in which the figure over institutions is no worse.

    evaluations: (round, {institution: value}) in ascending order, of which values that are not finite are left out, as
    in every summary. None: never reached.
    """
    found: dict[str, int | None] = dict.fromkeys(FIGURES)
    for round_, values in evaluations:
        finite = [value for value in values.values() if math.isfinite(value)]
        figures = spread(metric, finite) if finite else {}
        for name in FIGURES:
            if found[name] is None and name in figures and best_of(metric)(figures[name], target) == figures[name]:
                found[name] = round_
        if None not in found.values():
            break
    return found
