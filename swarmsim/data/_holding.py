"""What one institution holds, in a file of its own: patients by ID, their columns or images, perhaps the targets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from pydantic import Field, model_validator

from swarmsim.data.paths import find, read_arrays
from swarmsim.data.table import Table, check_columns, features, is_missing, read_table
from swarmsim.data.text import listed
from swarmsim.types import Arguments, InputError

__all__ = ["Held", "Holding"]


class Held(NamedTuple):
    """Patients [N] as text, their features [N, ...] with what columns are called, and the target column, if asked."""

    ids: np.ndarray
    features: np.ndarray
    names: tuple[str, ...]
    targets: np.ndarray | None


class Holding(Arguments):
    """One institution's file: a table with a header (csv), or arrays (npz) of features [N, ...] and patients [N]."""

    path: str = Field(description="The file, a table or, with the ending .npz, arrays; found as any data file is")
    id: str = Field(description="The column, or the array, with the patients' IDs")
    drop: tuple[str, ...] = Field(default=(), description="Columns of a table that are no features")
    categorical: tuple[str, ...] = Field(
        default=(), description="Columns of words in a table, used as one-hot indicators"
    )
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="What separates the cells of a table")
    features: str | None = Field(
        default=None, description="npz: the array of features: images [N, H, W] or [N, C, H, W], or columns [N, k]"
    )

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Holding:
        if not self.arrays and self.features is not None:
            raise ValueError(f"features names an array of an .npz, but {self.path} is a table; leave it out")
        if self.arrays and self.features is None:
            raise ValueError(f"{self.path} needs `features`, the name of the array that holds them")
        if self.arrays and (self.drop or self.categorical or self.delimiter != ","):
            raise ValueError(f"drop, categorical and delimiter are for tables, but {self.path} holds arrays")
        return self

    @property
    def arrays(self) -> bool:
        return self.path.lower().endswith(".npz")

    def read(self, target: str | None) -> Held:
        """All patients of the file in its order, each once; `target` is the column or array of targets."""
        held = self._arrays(target) if self.arrays else self._table(target)
        ids, counts = np.unique(held.ids, return_counts=True)
        if (counts > 1).any():
            raise InputError(
                f"data: {self.path}: {int((counts > 1).sum())} of {len(ids)} patients stand in more than one row: "
                f"{listed(ids[counts > 1], 5)}; keep one row a patient"
            )
        return held

    def _table(self, target: str | None) -> Held:
        table: Table = read_table(find(self.path), self.delimiter)
        special = [self.id, *([target] if target else []), *self.drop]
        check_columns(table, [*special, *self.categorical], self.path, "id, target, drop and categorical")
        if gaps := [row for row, cell in enumerate(table[self.id], start=1) if is_missing(cell)]:
            raise InputError(f"data: {self.path}, row {gaps[0]}: no patient's ID in column {self.id!r}")
        if not (names := [name for name in table if name not in special]):
            raise InputError(f"data: {self.path} has no column left that could be a feature")
        matrix, called = features(table, names, self.categorical)
        return Held(np.array(table[self.id]), matrix, called, np.array(table[target]) if target else None)

    def _arrays(self, target: str | None) -> Held:
        arrays = read_arrays(find(self.path), [self.id, self.features, *([target] if target else [])])
        ids, x, n = arrays[self.id], arrays[self.features], len(np.atleast_1d(arrays[self.id]))
        if ids.ndim != 1 or ids.dtype.kind not in "iuU":
            raise InputError(f"data: array {self.id!r} of {self.path} is {ids.dtype} {list(ids.shape)}; IDs are whole "
                             "numbers or texts [N]")  # fmt: skip
        if x.dtype.kind not in "fiub" or x.ndim < 2 or not x.size:
            raise InputError(f"data: array {self.features!r} of {self.path} is {x.dtype} {list(x.shape)}; features are "
                             "numbers [N, ...]")  # fmt: skip
        for key in (self.features, *([target] if target else [])):
            if len(arrays[key]) != n:
                raise InputError(f"data: array {key!r} of {self.path} is for {len(arrays[key])} patients, {self.id!r} "
                                 f"has {n}")  # fmt: skip
        called = tuple(f"{self.features}[{k}]" for k in range(x[0].size))
        return Held(np.char.strip(ids.astype(str)), x.astype(np.float32), called, arrays[target] if target else None)
