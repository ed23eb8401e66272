"""Distances of rows from a place and from each other; a row that is not finite is infinitely far from everything."""

from __future__ import annotations

import math

from swarmsim.lazy import torch

__all__ = ["best", "krum_scores", "offsets"]


def offsets(rows: torch.Tensor, at: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(x_i - at [m, d], |x_i - at| [m]); rows that are infinitely far have the distance inf and the offset 0."""
    apart = rows - at
    distance = torch.linalg.vector_norm(apart, dim=1).nan_to_num(nan=math.inf, posinf=math.inf)
    near = distance.isfinite()
    return (apart if bool(near.all()) else torch.where(near[:, None], apart, 0)), distance


def krum_scores(rows: torch.Tensor, byzantine: int) -> torch.Tensor:
    """The sum [m] of each row's squared distances from its m - f - 2 nearest other rows, f of m being Byzantine."""
    squares = torch.stack([(rows - row).square().sum(1) for row in rows])
    others = squares.nan_to_num(nan=math.inf, posinf=math.inf).fill_diagonal_(math.inf)
    return others.sort(dim=1).values[:, : len(rows) - byzantine - 2].sum(1)


def best(scores: torch.Tensor, count: int) -> torch.Tensor:
    """The places of the `count` lowest scores, lowest first, and of those that equal the last of them."""
    order = scores.argsort(stable=True)
    return order[: int((scores <= scores[order[count - 1]]).sum())]
