"""Mixing as a sparse matrix times stacked rows: X <- W X, for the rows of W that live on one host.

Sums run over the columns of W in ascending order, products and sums being separate operations, so that the bits are
those of adding up one row after another, whatever is stacked with what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from swarmsim.lazy import torch
from swarmsim.trees import flatten, unflatten
from swarmsim.types import Mixing

__all__ = ["Reach", "combine"]

PIECE = 2**16  # numbers that are added up at a time: what stays in a core's cache

Key = tuple[int, int]  # (how many rounds old, member)


class Rows(NamedTuple):
    """The rows of W with equally many entries: their places [m] on this host, their columns and weights [m, k].

    A column is where its row stands among those that this host reads.
    """

    places: torch.Tensor
    columns: torch.Tensor
    weights: torch.Tensor


class Reach:
    """Whose rows each host needs from which other host, for one W (and the ages of what arrives), as host `me` sees it.

    `sent[host]` are the keys (age, member) of this host's rows that those of W at another host read; `read[host]` those
    which its own rows of W read, this host first; both sorted. `edges` are the messages (key, destination) that its
    members send, `rows` what it adds up.
    """

    def __init__(
        self, mixing: Mixing, ages: np.ndarray | None, members: Sequence[int], places: Mapping[int, int], me: int
    ) -> None:
        columns, age = mixing.columns.tolist(), (None if ages is None else ages.tolist())
        entries: dict[int, list[Key]] = {}
        wanted: dict[tuple[int, int], set[Key]] = {}  # (from, to) -> keys
        self.edges: list[tuple[Key, int]] = []
        for i in members:
            entries[i] = [(age[e] if age else 0, columns[e]) for e in range(mixing.starts[i], mixing.starts[i + 1])]
            for key in entries[i]:
                src = places[key[1]]
                wanted.setdefault((src, places[i]), set()).add(key)
                if src == me and key[1] != i:
                    self.edges.append((key, i))
        self.sent = {dst: sorted(keys) for (src, dst), keys in sorted(wanted.items()) if src == me != dst}
        sources = sorted((src for src, dst in wanted if dst == me), key=lambda src: (src != me, src))
        self.read = {src: sorted(wanted[src, me]) for src in sources}
        self.rows = _rows(mixing, {i: entries[i] for i in members if places[i] == me}, self.read)


def _rows(mixing: Mixing, entries: Mapping[int, list[Key]], read: Mapping[int, list[Key]]) -> list[Rows]:
    """The rows of W of this host's members, by how many entries they have."""
    stands = {key: place for place, key in enumerate(key for keys in read.values() for key in keys)}
    alike: dict[int, list[tuple[int, int]]] = {}
    for place, (i, keys) in enumerate(entries.items()):
        alike.setdefault(len(keys), []).append((place, i))
    return [
        Rows(
            torch.tensor([place for place, _ in some]),
            torch.tensor([[stands[key] for key in entries[i]] for _, i in some]),
            torch.from_numpy(np.stack([mixing.row(i)[1] for _, i in some])),
        )
        for some in alike.values()
    ]


def combine(rows: Sequence[Rows], tree: Any) -> Any:
    """sum_j W_ij x_j for the rows of W on this host, stacked; `tree` holds the rows that they read, stacked.

    Integer tensors are not averaged: they take the value of the first column.
    """
    structure, tensors = flatten(tree)
    return unflatten(structure, [_combined(rows, tensor) for tensor in tensors])


def _combined(rows: Sequence[Rows], tensor: torch.Tensor) -> torch.Tensor:
    """tensor [M, ...] -> [m, ...], a few rows at a time."""
    total = tensor.new_empty((sum(len(some.places) for some in rows), *tensor.shape[1:]))
    size = max(1, PIECE // max(1, tensor[0].numel()))
    for some in rows:
        pieces = (part.to(tensor.device).split(size) for part in some)
        for places, columns, weights in zip(*pieces, strict=True):
            total.index_copy_(0, places, _sums(tensor, columns, weights))
    return total


def _sums(tensor: torch.Tensor, columns: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Rows sum_k weights[:, k] tensor[columns[:, k]]: tensor [M, ...], columns and weights [m, k] -> [m, ...]."""
    total = tensor.index_select(0, columns[:, 0])
    if not tensor.is_floating_point():
        return total
    weights = weights.to(tensor).view(*weights.shape, *[1] * (tensor.dim() - 1))
    total *= weights[:, 0]
    for k in range(1, columns.shape[1]):
        total += tensor.index_select(0, columns[:, k]).mul_(weights[:, k])
    return total
