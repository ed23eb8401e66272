"""Packed members a few at a time, so that what is computed on the way stays small and close to the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swarmsim.lazy import torch
from swarmsim.trees import flatten, tree_map, unflatten

__all__ = ["in_pieces"]

PIECE = 2**20  # numbers in the rows of a piece


def in_pieces(f: Callable) -> Callable:
    """f of trees, the first tensor of which is a row [d], or rows [m, d] of members that f treats independently.

    Many rows are cut into pieces [m', d] with m' d <= 2^20, or one row; the results are put together again.
    """

    def whole(*trees: Any) -> Any:
        rows = flatten(trees[0])[1][0]
        size = max(1, PIECE // rows.shape[-1])
        return f(*trees) if rows.dim() == 1 or len(rows) <= size else _assembled(f, trees, len(rows), size)

    return whole


def _assembled(f: Callable, trees: tuple, count: int, size: int) -> Any:
    """What f returns of `size` members after another, as one tree of all `count`."""
    structure, whole = None, []
    for begin in range(0, count, size):
        piece = slice(begin, begin + size)
        structure, tensors = flatten(f(*(tree_map(lambda tensor, piece=piece: tensor[piece], tree) for tree in trees)))
        whole = whole or [torch.empty((count, *t.shape[1:]), dtype=t.dtype, device=t.device) for t in tensors]
        for into, tensor in zip(whole, tensors, strict=True):
            into[piece] = tensor
    return unflatten(structure, whole)
