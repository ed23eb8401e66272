"""Mixing as a sparse matrix times stacked rows: X <- W X, for the rows of W that live on one host.

Sums run over the columns of W in ascending order, products and sums being separate operations, so that the bits are
those of adding up one row after another, whatever is stacked with what.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from swarmsim.lazy import torch
from swarmsim.trees import flatten, unflatten
from swarmsim.types import Mixing

__all__ = ["Reach", "combine"]

Key = tuple[int, int]  # (how many rounds old, member)


class Reach:
    """Whose rows each host needs from which other host, for one W (and the ages of what arrives).

    `wanted[host]` are the keys (age, member) that a host's rows of W read, sorted; `rows[i]` those of member i in the
    order of W's columns.
    """

    def __init__(self, mixing: Mixing, ages: np.ndarray | None, members: Sequence[int], places: Sequence[int]) -> None:
        self.rows: dict[int, list[Key]] = {}
        wanted: dict[int, set[Key]] = {}
        columns, age = mixing.columns.tolist(), (None if ages is None else ages.tolist())
        for i in members:
            here = range(mixing.starts[i], mixing.starts[i + 1])
            self.rows[i] = [(age[e] if age else 0, columns[e]) for e in here]
            wanted.setdefault(places[i], set()).update(self.rows[i])
        self.wanted = {host: sorted(keys) for host, keys in wanted.items()}


def combine(mixing: Mixing, here: Sequence[int], rows: dict[int, list[Key]], keys: dict[Key, int], tree: Any) -> Any:
    """sum_j W_ij x_j for every member i of `here`, stacked: tree [len(here), ...].

    `tree` holds the rows that are read, stacked along the first axis; `keys` says where each key stands in it.
    Integer tensors are not averaged: they take the value of the first column.
    """
    structure, tensors = flatten(tree)
    counts = np.array([len(rows[i]) for i in here])
    sums = [torch.empty((len(here), *tensor.shape[1:]), dtype=tensor.dtype, device=tensor.device) for tensor in tensors]
    for count in np.unique(counts):
        places = np.flatnonzero(counts == count)
        columns = torch.tensor([[keys[key] for key in rows[here[p]]] for p in places])
        weights = np.stack([mixing.row(here[p])[1] for p in places])
        for tensor, total in zip(tensors, sums, strict=True):
            total[torch.from_numpy(places)] = _sums(tensor, columns, torch.from_numpy(weights))
    return unflatten(structure, sums)


def _sums(tensor: torch.Tensor, columns: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Rows sum_k weights[:, k] tensor[columns[:, k]]: tensor [M, ...], columns and weights [m, k] -> [m, ...]."""
    total = tensor[columns[:, 0]]
    if not tensor.is_floating_point():
        return total
    weights = weights.to(tensor).view(*weights.shape, *[1] * (tensor.dim() - 1))
    total = total * weights[:, 0]
    for k in range(1, columns.shape[1]):
        total += tensor[columns[:, k]] * weights[:, k]
    return total
