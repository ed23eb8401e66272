"""Institutions as the data has them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from swarmsim.partition.base import Partition, guess
from swarmsim.types import Assignment, Dataset, InputError

__all__ = ["Natural"]


class Natural(Partition):
    """Institutions as the data has them: one for each value of a column (a hospital, a scanner, a unit).

    Institutions are in the order of their values, sorted: words by letters, numbers by size. `institutions` need
    not be written; where it is, it must agree.

    Reference: Terrail et al., FLamby: datasets and benchmarks for cross-silo federated learning, NeurIPS 2022.
    """

    column: str = Field(description="The column of the data that says which institution an example belongs to")

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """All rows of each value; nothing is drawn."""
        column = self._column(dataset)
        values, owner = np.unique(column, return_inverse=True)
        if institutions not in (None, len(values)):
            raise InputError(
                f"partition: institutions is {institutions}, but column {self.column!r} has {len(values)} values; "
                "leave `institutions` out"
            )
        rows = np.split(np.argsort(owner, kind="stable"), np.cumsum(np.bincount(owner))[:-1])
        return Assignment(tuple(str(value) for value in values), tuple(rows))

    def _column(self, dataset: Dataset) -> np.ndarray:
        if self.column not in dataset.columns:
            found = ", ".join(dataset.columns) or "no columns: use iid, dirichlet, quantity or shards"
            raise InputError(
                f"partition: the data has no column {self.column!r}{guess(self.column, dataset.columns)}; "
                f"it has {found}"
            )
        column = np.asarray(dataset.columns[self.column])
        empty = np.isnan(column) if column.dtype.kind == "f" else column == "" if column.dtype.kind == "U" else None
        if empty is not None and empty.any():
            raise InputError(
                f"partition: column {self.column!r} is empty in row {int(np.argmax(empty)) + 1}: every example needs "
                "an institution"
            )
        return column
