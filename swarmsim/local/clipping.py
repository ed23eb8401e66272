"""Gradients that are scaled down to a largest norm."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.lazy import torch

__all__ = ["clip_factor", "square"]


def square(gradient: torch.Tensor) -> torch.Tensor:
    """|g|^2 [..., 1] of gradients [..., d]."""
    return gradient.square().sum(-1, keepdim=True)


def clip_factor(squares: Sequence[torch.Tensor], clip: float) -> torch.Tensor:
    """min(1, clip / (norm + 1e-6)) [..., 1], for the squares [..., 1] of the pieces of one gradient, added in order.

    The small number is that of torch.nn.utils.clip_grad_norm_.
    """
    total = squares[0]
    for other in squares[1:]:
        total = total + other
    return (clip / (total.sqrt() + 1e-6)).clamp(max=1.0)
