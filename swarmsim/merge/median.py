"""Coordinate-wise median."""

from __future__ import annotations

from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.merge._medians import medians
from swarmsim.merge.base import Merge

__all__ = ["Median"]


class Median(Merge):
    """Coordinate-wise weighted median: in each coordinate half of the weight lies below it, half above.

    x_k = (l + u) / 2, where l is the smallest value such that values <= l weigh 1/2 or more, and u the smallest such
    that values <= u weigh more than 1/2: the midpoint convention. With equal weights this is the middle value of an
    odd m and the mean of the two middle ones of an even m. A row that weighs more than 1/2 is the result. The order of
    rows does not matter at all. Breakdown (m - 1) // 2.

    Reference: Yin et al., Byzantine-robust distributed learning: towards optimal statistical rates, ICML 2018.
    """

    weighted: ClassVar[bool] = True

    def breakdown(self, m: int) -> int:
        return (m - 1) // 2

    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        lower, upper = medians(rows, weights)
        return (lower + upper) / 2
