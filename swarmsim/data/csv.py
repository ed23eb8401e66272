"""Tables in text files."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from swarmsim.data.paths import find
from swarmsim.data.source import Source
from swarmsim.data.table import Table, is_missing, numbers, one_hot, read_table
from swarmsim.data.targets import class_targets, number_targets
from swarmsim.data.text import guess, listed
from swarmsim.types import Dataset, InputError

__all__ = ["Csv"]


class Csv(Source):
    """Table in a text file with a header: one row an example, one column the target, every other column a feature.

    Empty cells, NA, NaN and ? are missing values. Classes are sorted, by value where all are numbers, by letters
    otherwise. A feature that holds words must be named in `categorical` (one-hot) or in `drop`. The column `site`
    is no feature: it is there for `partition: {use: natural, column: <its name>}`.

    Reference: RFC 4180 (comma-separated values).
    """

    path: str = Field(description="The file; relative to SWARMSIM_DATA or the current directory")
    target: str = Field(description="The column to predict")
    target_type: Literal["classification", "regression"] = Field(
        default="classification", description="Whether the target is a class or a number"
    )
    site: str | None = Field(default=None, description="The column that says where an example comes from")
    categorical: tuple[str, ...] = Field(default=(), description="Columns of words, used as one-hot indicators")
    drop: tuple[str, ...] = Field(default=(), description="Columns that are no features, such as a patient's id")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="What separates cells")

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """Every row of the file; neither the number of institutions nor the seed changes them."""
        table = read_table(find(self.path), self.delimiter)
        self._check(table)
        blocks = [self._feature(table, name) for name in self._feature_columns(table)]
        targets, classes = self._targets(table[self.target])
        return Dataset(
            features=np.ascontiguousarray(np.concatenate([block for block, _ in blocks], axis=1)),
            targets=targets,
            classes=classes,
            columns={} if self.site is None else {self.site: np.array(table[self.site])},
            feature_names=tuple(name for _, names in blocks for name in names),
        )

    def _special(self) -> tuple[str, ...]:
        return (self.target, *([self.site] if self.site else []), *self.drop)

    def _feature_columns(self, table: Table) -> list[str]:
        return [name for name in table if name not in self._special()]

    def _check(self, table: Table) -> None:
        for name in (*self._special(), *self.categorical):
            if name not in table:
                raise InputError(
                    f"data: {self.path} has no column {name!r}{guess(name, table)}; it has {listed(table, 40)}"
                )
        named = [*self._special(), *self.categorical]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise InputError(f"data: column {twice[0]!r} is named twice among target, site, categorical and drop")
        if not self._feature_columns(table):
            raise InputError(f"data: {self.path} has no column left that could be a feature")

    def _feature(self, table: Table, name: str) -> tuple[np.ndarray, list[str]]:
        if name in self.categorical:
            return one_hot(table[name], name)
        return numbers(table[name], name), [name]

    def _targets(self, cells: list[str]) -> tuple[np.ndarray, tuple[str, ...]]:
        where = f"column {self.target!r} of {self.path}"
        if gaps := [row for row, cell in enumerate(cells, start=1) if is_missing(cell)]:
            raise InputError(f"data: {where}: row {gaps[0]} is empty; every example needs a target")
        if self.target_type == "regression":
            return number_targets(np.array(cells), where), ()
        return class_targets(_numbers_or_words(cells), where)


def _numbers_or_words(cells: list[str]) -> np.ndarray:
    """Whole numbers where every cell is one, so that class 10 comes after class 9."""
    try:
        return np.array([int(cell) for cell in cells])
    except ValueError:
        return np.array(cells)
