"""Trimmed mean."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.merge.base import Merge

__all__ = ["TrimmedMean"]


class TrimmedMean(Merge):
    """Coordinate-wise trimmed mean: in each coordinate the b smallest and the b largest values are left out.

    x_k = sum_{i in S_k} p_i x_ik / sum_{i in S_k} p_i, where S_k are the m - 2 b middle values; rows are counted, not
    weighed, when they are left out, and equal values are sorted by weight. b = 0 is the weighted mean; m = 2 b + 1 is
    the median of equal weights. Needs m >= 2 b + 1. The order of rows does not matter at all. Breakdown b.

    Reference: Yin et al., Byzantine-robust distributed learning: towards optimal statistical rates, ICML 2018.
    """

    weighted: ClassVar[bool] = True

    trim: int = Field(ge=0, description="b: how many values are left out at each end of every coordinate")

    def needs(self, m: int) -> str | None:
        fewest = 2 * self.trim + 1
        if m >= fewest:
            return None
        way_out = f"trim: {(m - 1) // 2}" + (" or less" if m > 2 else "")
        return f"trimmed_mean with trim: {self.trim} needs 2 b + 1 = {fewest} rows, and there are {m}; write {way_out}"

    def breakdown(self, m: int) -> int:
        return self.trim

    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        by_weight = weights.argsort()
        rows, weights = rows[by_weight], weights[by_weight].to(rows.dtype)
        ordered, order = rows.sort(dim=0, stable=True)
        kept = slice(self.trim, len(rows) - self.trim)
        p = weights[order[kept]]
        return (ordered[kept] * p).sum(0) / p.sum(0)
