"""Centred clipping."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.merge._distances import offsets
from swarmsim.merge.base import Merge

__all__ = ["CentredClipping"]


class CentredClipping(Merge):
    """Centred clipping: the receiver's own row moves towards the others, towards none of them farther than tau.

    v <- v + sum_i p_i (x_i - v) min(1, tau / |x_i - v|), `iterations` times, from the receiver's own row. One iteration
    with the weights of a mixing matrix is ClippedGossip. If tau exceeds every distance, one iteration is the weighted
    mean; a row at v stays where it is. Another order of rows gives the same up to rounding; a row that is not finite
    takes no part.

    Whatever others send, x stays within iterations tau of the receiver's own row; with more iterations a majority would
    carry it away step by step, and a minority could not: breakdown (m - 1) // 2.

    Reference: Karimireddy, He and Jaggi, Learning from history for Byzantine robust optimization, ICML 2021
    (arXiv:2012.10333); He, Karimireddy and Jaggi, 2022 (arXiv:2202.01545), for ClippedGossip.
    """

    weighted: ClassVar[bool] = True
    centred: ClassVar[bool] = True

    tau: float = Field(gt=0, description="how far from the receiver's own row another counts in full")
    iterations: int = Field(1, ge=1, description="how often the centre moves")

    def breakdown(self, m: int) -> int:
        return (m - 1) // 2

    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        if centre is None:
            raise ValueError("merge: centred_clipping starts from the receiver's own row; give centre")
        p = weights.to(rows.dtype)
        for _ in range(self.iterations):
            apart, distance = offsets(rows, centre)
            factor = (self.tau / distance).clamp(max=1.0)
            centre = centre + ((p * factor)[:, None] * apart).sum(0)
        return centre
