"""Logistic (linear) model."""

from __future__ import annotations

from swarmsim.lazy import torch
from swarmsim.types import Arguments

__all__ = ["Logistic"]


class Logistic(Arguments):
    """Linear model: logits = W x + b, one stage, so it cannot be cut.

    With the classification task it is multinomial logistic regression; with regression, least squares.
    Weights start at 0: the problem is convex and its start should not depend on a seed.

    Reference: Cox, The regression analysis of binary sequences, JRSS B 1958.
    """

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """One stage `linear`: [B, ...] -> [B, outputs]."""
        linear = torch.nn.Linear(torch.Size(example).numel(), outputs)
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
        return [("linear", torch.nn.Sequential(torch.nn.Flatten(), linear))]
