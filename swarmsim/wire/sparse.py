"""Messages with a few numbers of a row: the others are taken to be 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmsim.lazy import torch

__all__ = ["kept", "random_k", "restored_random_k", "restored_top_k", "top_k"]


def kept(d: int, fraction: float) -> int:
    """k: how many of d numbers a fraction is, at least one."""
    return min(d, max(1, round(fraction * d)))


def top_k(row: torch.Tensor, fraction: float) -> dict[str, Any]:
    """The k numbers of the row [d] that are largest in size: values [k], and where they were: int32 [k], ascending.

    ||Q(x) - x||^2 <= (1 - k/d) ||x||^2. fraction 1 is the row itself.

    Reference: Stich, Cordonnier and Jaggi, Sparsified SGD with memory, NeurIPS 2018.
    """
    indices = row.abs().topk(kept(len(row), fraction)).indices.sort().values
    return {"values": row[indices], "indices": indices.to(torch.int32)}


def restored_top_k(tree: dict[str, Any], d: int) -> torch.Tensor:
    """The row [d] that the receiver makes of it."""
    return tree["values"].new_zeros(d).index_put((tree["indices"].long(),), tree["values"])


def random_k(row: torch.Tensor, fraction: float, scaled: bool, rng: np.random.Generator) -> dict[str, Any]:
    """k numbers of the row [d] at random places, which the receiver draws too: values [k] are all that crosses.

    E ||Q(x) - x||^2 = (1 - k/d) ||x||^2. scaled: times d/k; then E Q(x) = x, and the error is (d/k - 1) ||x||^2.

    Reference: Stich, Cordonnier and Jaggi, Sparsified SGD with memory, NeurIPS 2018; scaled: Wangni et al., Gradient
    sparsification for communication-efficient distributed optimization, NeurIPS 2018.
    """
    places = _places(len(row), kept(len(row), fraction), rng).to(row.device)
    return {"values": row[places] * (len(row) / len(places) if scaled else 1.0)}


def restored_random_k(tree: dict[str, Any], d: int, rng: np.random.Generator) -> torch.Tensor:
    """The row [d] that the receiver makes of it, with the random numbers of the sender."""
    values = tree["values"]
    return values.new_zeros(d).index_put((_places(d, len(values), rng).to(values.device),), values)


def _places(d: int, k: int, rng: np.random.Generator) -> torch.Tensor:
    return torch.from_numpy(np.sort(rng.choice(d, k, replace=False, shuffle=False)))
