"""Mixing matrices that a method draws for a round itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from swarmsim.types import Mixing

__all__ = ["average_of", "means", "mixing_of"]


def mixing_of(rows: Sequence[Mapping[int, float]]) -> Mixing:
    """W by rows: `rows[i]` is {j: w_ij}, with i itself among the j."""
    ordered = [sorted(row.items()) for row in rows]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in ordered])])
    columns = np.array([j for row in ordered for j, _ in row], dtype=np.int64)
    return Mixing(len(rows), starts, columns, np.array([w for row in ordered for _, w in row], dtype=float))


def means(heard: Sequence[Collection[int]]) -> Mixing:
    """W whose row i is the plain mean of institution i and those it hears from, `heard[i]`."""
    return mixing_of([dict.fromkeys({i, *others}, 1 / len({i, *others})) for i, others in enumerate(heard)])


def average_of(members: Collection[int], n: int) -> Mixing:
    """W that gives the mean of some members to each of them, and leaves the others as they are."""
    return means([members if i in members else () for i in range(n)])
