"""From random proportions to whole examples."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from swarmsim.types import InputError

__all__ = ["draw_until", "whole"]

DRAWS = 1000


def whole(proportions: np.ndarray, total: int) -> np.ndarray:
    """Whole sizes [n] that sum to `total`: differences of the rounded cumulative proportions."""
    edges = np.round(np.cumsum(proportions) / np.sum(proportions) * total).astype(np.int64)
    edges[-1] = total
    return np.diff(edges, prepend=0)


def draw_until(draw: Callable[[], np.ndarray], minimum: int, what: str) -> np.ndarray:
    """The first draw of sizes [..., n] whose every institution has `minimum` examples.

    Raises InputError after 1000 draws, naming the best of them.
    """
    best = -1
    for _ in range(DRAWS):
        sizes = draw()
        smallest = int(sizes.reshape(-1, sizes.shape[-1]).sum(0).min())
        if smallest >= minimum:
            return sizes
        best = max(best, smallest)
    raise InputError(
        f"partition: {what}: none of {DRAWS} draws gave every institution {minimum} examples (the best gave the "
        f"smallest one {best}); use a larger alpha, fewer institutions, or a smaller `minimum`"
    )
