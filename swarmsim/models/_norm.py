"""Normalisation of maps."""

from __future__ import annotations

from swarmsim.lazy import torch

__all__ = ["groups", "norm_2d"]


def norm_2d(kind: str, channels: int) -> torch.nn.Module:
    """BatchNorm (`batch`), or GroupNorm with up to 8 groups (`group`), over maps [B, channels, H, W]."""
    return torch.nn.BatchNorm2d(channels) if kind == "batch" else torch.nn.GroupNorm(groups(channels), channels)


def groups(channels: int) -> int:
    """How many groups of equal size: 8, or the next power of two that divides the channels."""
    return next(count for count in (8, 4, 2, 1) if channels % count == 0)
