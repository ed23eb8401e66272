"""Geometric median."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.merge._distances import offsets
from swarmsim.merge._medians import medians
from swarmsim.merge.base import Merge

__all__ = ["GeometricMedian"]

TOUCHING = 1e-10  # of the median distance of the rows from where the iteration starts


class GeometricMedian(Merge):
    """Geometric median: the point with the least weighted sum of distances from the rows (robust federated averaging).

    x = argmin_v sum_i p_i |x_i - v|, by Weiszfeld's iteration v <- sum_i b_i x_i / sum_i b_i, b_i = p_i / |x_i - v|,
    from the coordinate-wise median, in float64. Where a row is touched (nearer than nu, a tiny share of the spread) it
    is left out of the sums, and the step is shorter by its weight. A step of Newton's, or one to the nearest row,
    is taken instead where that brings the sum of distances lower: near a row Weiszfeld's are tiny. It ends where the
    unit vectors u_i towards the rows cancel: |sum_i p_i u_i| <= tolerance + the weight of the rows touched.

    Half of the weight in one place makes that place the result; of two rows of equal weight it is the middle, and on a
    line it is a median. Another order of rows gives the same up to the tolerance. A row that is not finite takes no
    part. Breakdown (m - 1) // 2.

    Reference: Pillutla, Kakade and Harchaoui, Robust aggregation for federated learning, IEEE Trans. Signal Process.
    2022 (arXiv:1912.13445); Vardi and Zhang, PNAS 2000, for the step from a row.
    """

    weighted: ClassVar[bool] = True

    tolerance: float = Field(1e-10, gt=0, lt=1, description="ends when the rows' unit vectors cancel as far as this")
    iterations: int = Field(100, ge=1, description="ends after so many steps in any case")

    def breakdown(self, m: int) -> int:
        return (m - 1) // 2

    def combined(self, rows: torch.Tensor, weights: torch.Tensor, centre: torch.Tensor | None) -> torch.Tensor:
        exact = rows.double()
        lower, upper = medians(exact, weights)
        start = (lower + upper) / 2
        apart, distance = offsets(exact, start)
        nu = TOUCHING * medians(distance[:, None], weights)[0]
        there = distance.isfinite()
        return (start + self._descent(apart[there], weights[there], nu)).to(rows.dtype)

    def _descent(self, rows: torch.Tensor, weights: torch.Tensor, nu: torch.Tensor) -> torch.Tensor:
        """The geometric median [d] of rows [m, d], starting from 0."""
        at = rows.new_zeros(rows.shape[1])
        for _ in range(self.iterations):
            apart, distance = offsets(rows, at)
            touched = distance <= nu
            pull = (weights / distance).masked_fill(touched, 0)
            towards = (pull[:, None] * apart).sum(0)
            length = torch.linalg.vector_norm(towards)
            excess = length - weights[touched].sum()
            if excess <= self.tolerance:
                break
            step = towards * (excess / length) / pull.sum()
            bent = step + _newton(apart / distance[:, None], pull, step)
            places = (at + bent, at + step, rows[distance.argmin()])
            at = min(places, key=lambda place: float((weights * offsets(rows, place)[1]).sum()))
        return at


def _newton(unit: torch.Tensor, pull: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """What Newton's step [d] has beyond Weiszfeld's; NaN or inf where the rows are on a line.

    With unit vectors u_i [m, d] and b = sum b_i the Hessian is b I - sum_i b_i u_i u_i^T, which is inverted through a
    matrix [m, m] (Woodbury).
    """
    half = torch.where(pull[:, None] > 0, pull.sqrt()[:, None] * unit, 0)
    small = pull.sum() * torch.eye(len(pull), dtype=pull.dtype, device=pull.device) - half @ half.T
    solved = torch.linalg.solve_ex(small, half @ step)[0]
    return (half * solved[:, None]).sum(0)
