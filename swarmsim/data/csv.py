"""Tables in text files."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from swarmsim.data.paths import find
from swarmsim.data.source import Source
from swarmsim.data.table import Table, check_columns, features, read_table
from swarmsim.data.targets import Kind, cell_targets, site_targets
from swarmsim.types import Dataset, InputError

__all__ = ["Csv"]


class Csv(Source):
    """Table in a text file with a header: one row an example, one column the target, every other column a feature.

    Empty cells, NA, NaN and ? are missing values. Classes are sorted, by value where all are numbers, by letters
    otherwise. A feature that holds words must be named in `categorical` (one-hot) or in `drop`. The column `site`
    is no feature: it is there for `partition: {use: natural, column: <its name>}`.

    With `target: {north: ill, south: smoker}` each institution predicts a column of its own (multi-task learning):
    none of these columns is a feature, and models have as many outputs as the task with most classes needs. The
    institutions are those of `site`, with or without a partition.

    Reference: RFC 4180 (comma-separated values).
    """

    path: str = Field(description="The file; relative to SWARMSIM_DATA or the current directory")
    target: str | dict[str, str] = Field(
        description="The column to predict, or for each value of `site` the column that is predicted there"
    )
    target_type: Kind = Field(default="classification", description="Whether the target is a class or a number")
    site: str | None = Field(default=None, description="The column that says where an example comes from")
    categorical: tuple[str, ...] = Field(default=(), description="Columns of words, used as one-hot indicators")
    drop: tuple[str, ...] = Field(default=(), description="Columns that are no features, such as a patient's id")
    delimiter: str = Field(default=",", min_length=1, max_length=1, description="What separates cells")

    @model_validator(mode="after")
    def _tasks_have_sites(self) -> Csv:
        if isinstance(self.target, dict) and (self.site is None or not self.target):
            raise ValueError("a target for each site needs `site`, the column that says where an example comes from")
        return self

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """Every row of the file; neither the number of institutions nor the seed changes them."""
        table = read_table(find(self.path), self.delimiter)
        check_columns(table, [*self._special(), *self.categorical], self.path, "target, site, categorical and drop")
        if not (names := [name for name in table if name not in self._special()]):
            raise InputError(f"data: {self.path} has no column left that could be a feature")
        matrix, feature_names = features(table, names, self.categorical)
        columns = {} if self.site is None else {self.site: np.array(table[self.site])}
        if isinstance(self.target, dict):
            return self._of_tasks(table, matrix, feature_names, columns)
        where = f"column {self.target!r} of {self.path}"
        targets, classes = cell_targets(table[self.target], self.target_type, where)
        return Dataset(matrix, targets, classes, columns, feature_names)

    def _special(self) -> tuple[str, ...]:
        targets = dict.fromkeys(self.target.values()) if isinstance(self.target, dict) else [self.target]
        return (*targets, *([self.site] if self.site else []), *self.drop)

    def _of_tasks(
        self, table: Table, matrix: np.ndarray, feature_names: tuple[str, ...], columns: dict[str, np.ndarray]
    ) -> Dataset:
        """The data of several tasks: an example's site is its institution, and says what its target means."""
        sites = columns[self.site]
        targets, classes, notes = site_targets(table, sites, self.target, self.target_type, self.path)
        columns = {**columns, "institution": sites}
        notes = (f"csv: {self.path}: institutions predict different columns, so no model is for all", *notes)
        return Dataset(matrix, targets, classes, columns, feature_names, notes=notes, one_task=False)
