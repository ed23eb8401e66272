"""Krum and multi-Krum."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.merge._distances import best, krum_scores
from swarmsim.merge.base import Merge

__all__ = ["Krum"]


class Krum(Merge):
    """Krum: the one row that lies closest to the others around it; multi-Krum: the mean of the `keep` best such rows.

    Row i scores s_i = sum_j |x_i - x_j|^2 over its m - f - 2 nearest other rows; the lowest score is best. Weights do
    not count. Rows that tie with the last one kept are kept too, which makes the result independent of the order of
    rows, up to rounding (m = 3, f = 0: the two nearest rows tie always). Needs m >= 2 f + 3 and m >= keep + f + 2.
    Breakdown f.

    Reference: Blanchard et al., Machine learning with adversaries: Byzantine tolerant gradient descent, NeurIPS 2017.
    """

    weighted: ClassVar[bool] = False

    byzantine: int = Field(ge=0, description="f: how many rows may be arbitrary")
    keep: int = Field(1, ge=1, description="how many of the best rows are averaged; 1 is Krum")

    def needs(self, m: int) -> str | None:
        f, about = self.byzantine, f"krum with byzantine: {self.byzantine}"
        if m < 2 * f + 3:
            way_out = f"write byzantine: {(m - 3) // 2}" if m >= 3 else "write use: median"
            return f"{about} needs 2 f + 3 = {2 * f + 3} rows, and there are {m}; {way_out}"
        if m < self.keep + f + 2:
            most = m - f - 2
            return f"{about} can keep m - f - 2 = {most} of {m} rows, not {self.keep}; write keep: {most}"
        return None

    def breakdown(self, m: int) -> int:
        return self.byzantine

    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        return rows[best(krum_scores(rows, self.byzantine), self.keep)].mean(0)
