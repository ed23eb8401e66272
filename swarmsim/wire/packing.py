"""Small numbers in few bits: several of them share a byte."""

from __future__ import annotations

from swarmsim.lazy import torch

__all__ = ["pack", "unpack"]


def pack(numbers: torch.Tensor, bits: int) -> torch.Tensor:
    """uint8 [d] of numbers below 2^bits -> uint8 [ceil(d bits / 8)]; bits is 1, 2, 4 or 8, the first number lowest."""
    per_byte = 8 // bits
    filled = torch.nn.functional.pad(numbers, (0, -len(numbers) % per_byte))
    return (filled.view(-1, per_byte) << _shifts(numbers, bits)).sum(-1, dtype=torch.uint8)


def unpack(packed: torch.Tensor, bits: int, d: int) -> torch.Tensor:
    """The inverse of `pack`: uint8 [d]."""
    return ((packed.unsqueeze(-1) >> _shifts(packed, bits)) & (2**bits - 1)).view(-1)[:d]


def _shifts(like: torch.Tensor, bits: int) -> torch.Tensor:
    return torch.arange(0, 8, bits, dtype=torch.uint8, device=like.device)
