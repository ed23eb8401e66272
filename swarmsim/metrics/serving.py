"""What serving institutions one after another does to a model: forgetting within a round, and the gap it leaves.

Shapes: T turns, n institutions. `after[p, i]` is the accuracy on institution i's test set after the p-th turn of the
round, `order[p]` the institution that had it. NaN stands for what was not or cannot be measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from swarmsim.metrics.summary import mean
from swarmsim.types import InputError

__all__ = ["backward_transfer", "by_position", "performance_gap"]


def performance_gap(recalls: Mapping[int, float]) -> float | None:
    """The best recall minus the mean recall, over the labels that have one; None if no label has.

    gap = max_c recall_c - (1/C) sum_c recall_c: 0 where all labels are recognised equally well, (C - 1) / C where
    the last one served is all the model still knows.

    Reference: Tirana et al., Data heterogeneity and forgotten labels in split federated learning, AAAI 2026
    (arXiv:2511.09736).
    """
    known = [recall for recall in recalls.values() if math.isfinite(recall)]
    return max(known) - mean(known) if known else None


def backward_transfer(after: np.ndarray, order: Sequence[int]) -> float | None:
    """What the turns behind an institution's own did to the accuracy on its test set: forgetting is negative.

    BWT = 1/(T-1) sum_{p<T-1} (R[T-1, order[p]] - R[p, order[p]]) over the positions p = 0..T-2 with both values. None
    where there is no such position: with one turn nobody comes behind.

    Raises InputError if `after` has not a row for each turn, or no column for an institution served.
    Reference: Lopez-Paz and Ranzato, Gradient episodic memory for continual learning, NeurIPS 2017 (equation 3).
    """
    served, turns = np.asarray(order, dtype=int), len(order)
    if after.ndim != 2 or len(after) != turns or (turns and not 0 <= served.min() <= served.max() < after.shape[1]):
        raise InputError(
            f"backward transfer: accuracies {list(after.shape)} do not fit the order {list(order)}; "
            "give a row for each turn and a column for each institution"
        )
    changes = after[-1, served[:-1]] - after[np.arange(turns - 1), served[:-1]] if turns > 1 else np.empty(0)
    known = changes[np.isfinite(changes)].tolist()
    return mean(known) if known else None


def by_position(values: Mapping[int, float], order: Sequence[int]) -> list[float]:
    """The institutions' values in the order in which they were served; NaN for one without."""
    return [values.get(institution, math.nan) for institution in order]
