"""Filling gaps and scaling, with what training examples alone say; then the parts that models see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import numpy as np

from swarmsim.data.split import Rows
from swarmsim.data.text import listed
from swarmsim.types import Assignment, Dataset, Federation, InputError, Part, Shard

__all__ = ["Scaling", "apply", "check", "measure", "prepare"]


class Scaling(NamedTuple):
    """x -> ((x or fill where missing) - centre) / scale, column by column (channel by channel for images)."""

    fill: np.ndarray
    centre: np.ndarray
    scale: np.ndarray


def measure(x: np.ndarray, typical: Callable[..., np.ndarray] = np.nanmedian) -> Scaling:
    """The scaling that training examples ask for.

    Tables [m, k]: gaps are filled with the `typical` value, then mean and standard deviation are taken. A constant
    column has deviation 1; of a column without any value nothing is known, so that it becomes 0 (scale infinity).
    Images [m, C, ...]: mean and deviation of each channel.
    """
    if x.ndim > 2:
        axes = (0, *range(2, x.ndim))
        centre = x.mean(axes, dtype=np.float64, keepdims=True)[0]
        scale = x.std(axes, dtype=np.float64, keepdims=True)[0]
        return Scaling(centre, centre, np.where(np.ptp(x, axes, keepdims=True)[0] > 0, scale, 1.0))
    x = x.astype(np.float64)
    known = ~np.isnan(x).all(0)
    fill = np.zeros(x.shape[1])
    fill[known] = typical(x[:, known], axis=0)
    x = np.where(np.isnan(x), fill, x)
    scale = np.where(np.ptp(x, 0) > 0, x.std(0), 1.0)
    return Scaling(fill, x.mean(0), np.where(known, scale, np.inf))


def apply(scaling: Scaling | None, x: np.ndarray) -> np.ndarray:
    """Examples ready for a model: float32, contiguous, without gaps."""
    if scaling is not None:
        x = (np.where(np.isnan(x), scaling.fill, x) - scaling.centre) / scaling.scale
    return np.ascontiguousarray(x, dtype=np.float32)


def prepare(
    dataset: Dataset,
    assignment: Assignment,
    parts: Sequence[Rows],
    standardize: Literal["institution", "pooled", "none"],
) -> Federation:
    """The federation that every method of an experiment shares.

    `institution`: each uses its own training examples, so nothing leaves it; gaps become its medians. `pooled`: all
    training examples together; gaps become means, so that a count, a sum and a sum of squares per column are all
    that a secure sum would have to carry. `none`: features as they are; gaps are an error. The external part has
    no training examples of its own: it is scaled by the pooled ones under either rule.
    """
    if not dataset.objective:
        check(dataset, standardize)
    rule = "none" if dataset.objective else standardize
    pooled = None
    if rule == "pooled" or (rule == "institution" and dataset.external is not None):
        pooled = measure(dataset.features[np.sort(np.concatenate([rows.train for rows in parts]))], np.nanmean)
    shards = []
    for name, rows in zip(assignment.names, parts, strict=True):
        scaling = measure(dataset.features[rows.train]) if rule == "institution" else pooled
        shards.append(Shard(name, *(_part(dataset, scaling, part) for part in rows)))
    return Federation(
        shards=tuple(shards),
        classes=dataset.classes,
        external=None if dataset.external is None else _part(dataset.external, pooled, slice(None)),
        indices=_indices(assignment.names, parts),
        one_task=dataset.one_task,
    )


def _part(dataset: Dataset, scaling: Scaling | None, rows: np.ndarray | slice) -> Part:
    return Part(apply(scaling, dataset.features[rows]), np.ascontiguousarray(dataset.targets[rows]))


def _indices(names: Sequence[str], parts: Sequence[Rows]) -> dict[str, np.ndarray]:
    return {
        f"{name}/{part}": indices
        for name, rows in zip(names, parts, strict=True)
        for part, indices in rows._asdict().items()
    }


def check(dataset: Dataset, standardize: str) -> None:
    """Infinite features, and gaps that nothing would fill, are errors before training."""
    for x in (dataset.features, *([dataset.external.features] if dataset.external else [])):
        if np.isinf(x).any():
            raise InputError(
                f"data: infinite values in {_where(dataset, np.isinf(x))}; leave them empty or remove them"
            )
        gaps = np.isnan(x)
        if not gaps.any():
            continue
        if x.ndim > 2:
            raise InputError("data: pixels are missing (NaN); only gaps in tables can be filled")
        if standardize == "none":
            raise InputError(
                f"data: standardize: none leaves gaps as they are, and values are missing in {_where(dataset, gaps)}; "
                "use standardize: institution (fills them with its medians) or pooled (with the means of all)"
            )


def _where(dataset: Dataset, marked: np.ndarray) -> str:
    columns = np.flatnonzero(marked.any(tuple(i for i in range(marked.ndim) if i != 1)))
    if marked.ndim > 2:
        return f"channels {listed(columns)}"
    return listed(dataset.feature_names[c] if dataset.feature_names else f"feature {c}" for c in columns)
