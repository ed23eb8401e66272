"""Weighted medians, column by column."""

from __future__ import annotations

from swarmsim.lazy import torch

__all__ = ["medians"]

ROUNDING = 1e-6  # weights whose sum should be a half miss it by less than this, in single precision too


def medians(values: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(lower, upper) weighted median [d] of each column of values [m, d], with weights [m] float64 that sum to 1.

    Going up through the sorted values, the first at which the weights so far reach a half, and the first at which
    they exceed it. They differ only where the weights can be halved. NaN is sorted behind infinity.
    """
    ordered, order = values.sort(dim=0)
    mass = weights[order].cumsum(0)
    lower = (mass < 0.5 - ROUNDING).sum(0, keepdim=True)
    upper = (mass <= 0.5 + ROUNDING).sum(0, keepdim=True)
    return ordered.gather(0, lower)[0], ordered.gather(0, upper)[0]
