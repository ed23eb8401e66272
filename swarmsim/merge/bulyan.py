"""Bulyan."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.merge._distances import best, krum_scores
from swarmsim.merge.base import Merge

__all__ = ["Bulyan"]


class Bulyan(Merge):
    """Bulyan: a trimmed mean around the median of the rows that Krum likes best, so that no coordinate strays.

    Of the m - 2 f rows with the lowest Krum scores (and those that tie with the last) come, in each coordinate, all
    values but the 2 f farthest from their median; x is the mean of these. Of two values equally far the lower comes
    first. Weights do not count. f = 0 is the mean of equal weights. Needs m >= 4 f + 3. The order of rows matters up to
    rounding. Breakdown f.

    The paper picks the rows one after another and scores those left anew each time; the last of these picks has fewer
    rows than Krum needs and can only be a tie. Here the rows are scored once.

    Reference: El Mhamdi, Guerraoui and Rouault, The hidden vulnerability of distributed learning in Byzantium,
    ICML 2018 (arXiv:1802.07927).
    """

    weighted: ClassVar[bool] = False

    byzantine: int = Field(ge=0, description="f: how many rows may be arbitrary")

    def needs(self, m: int) -> str | None:
        fewest = 4 * self.byzantine + 3
        if m >= fewest:
            return None
        way_out = f"byzantine: {(m - 3) // 4}" if m >= 3 else "use: median"
        return (
            f"bulyan with byzantine: {self.byzantine} needs 4 f + 3 = {fewest} rows, and there are {m}; write {way_out}"
        )

    def breakdown(self, m: int) -> int:
        return self.byzantine

    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        chosen = best(krum_scores(rows, self.byzantine), len(rows) - 2 * self.byzantine)
        ordered, count = rows[chosen].sort(dim=0).values, len(chosen)
        median = (ordered[(count - 1) // 2] + ordered[count // 2]) / 2
        nearest = (ordered - median).abs().argsort(dim=0, stable=True)[: count - 2 * self.byzantine]
        return ordered.gather(0, nearest).mean(0)
