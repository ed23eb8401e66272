"""What every rule that makes one row of many is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.types import Arguments, InputError

__all__ = ["Merge"]


class Merge(Arguments, ABC):
    """A rule that makes one row x [d] of the rows x_1 ... x_m of some institutions. Abstract.

    `weighted` says whether the weights p_i count; where they do not, nobody gains by claiming more examples. Every
    rule is a pure function that ignores the order of the rows, up to what its docstring says; the result is new
    and has the rows' dtype. A row with a number that is not finite is an arbitrary row like any other.
    """

    weighted: ClassVar[bool]
    centred: ClassVar[bool] = False  # whether it needs the receiver's own row

    def merge(
        self, rows: torch.Tensor, weights: Sequence[float] | torch.Tensor, centre: torch.Tensor | None = None
    ) -> torch.Tensor:
        """One row [d] of rows [m, d] float with weights [m] that sum to 1; centre [d] is the receiver's own row.

        A row of weight 0 is not there. Raises InputError where m rows are too few, ValueError where the rows or
        weights are none.
        """
        if rows.is_meta:  # in a rehearsal rows have a shape but no numbers
            return torch.empty_like(rows[0])
        p = torch.as_tensor(weights, dtype=torch.float64, device=rows.device)
        if not rows.is_floating_point() or p.shape != rows.shape[:1]:
            raise ValueError(f"merge: rows {list(rows.shape)} {rows.dtype} and weights {list(p.shape)} do not fit")
        if not bool((p >= 0).all()) or abs(float(p.sum()) - 1) > 1e-5:
            raise ValueError(f"merge: weights must be at least 0 and sum to 1, got {p.tolist()}")
        if not bool((there := p > 0).all()):
            rows, p = rows[there], p[there]
        if reason := self.needs(len(rows)):
            raise InputError(f"merge: {reason}")
        return self.combined(rows, p, centre)

    def needs(self, m: int) -> str | None:
        """Why m rows are too few for this rule, and what to write instead; None if they are enough."""
        return None

    @abstractmethod
    def breakdown(self, m: int) -> int:
        """How many arbitrary rows of m, of equal weight, cannot carry the result away."""

    @abstractmethod
    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        """The rule itself: rows [m, d], weights [m] float64 > 0, both checked -> [d]."""
