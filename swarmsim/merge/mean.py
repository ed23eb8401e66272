"""Weighted mean."""

from __future__ import annotations

from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.merge.base import Merge

__all__ = ["Mean"]


class Mean(Merge):
    """Weighted mean x = sum_i p_i x_i: what a method does without a section `merge`.

    Added in the order of the rows, so another order gives the same up to rounding. One arbitrary row carries it
    anywhere: breakdown 0. One row is itself.

    Reference: McMahan et al., Communication-efficient learning of deep networks from decentralized data, AISTATS 2017.
    """

    weighted: ClassVar[bool] = True

    def breakdown(self, m: int) -> int:
        return 0

    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        shares = weights.tolist()
        total = rows[0] * shares[0]
        for share, row in zip(shares[1:], rows[1:], strict=True):
            total += row * share
        return total
