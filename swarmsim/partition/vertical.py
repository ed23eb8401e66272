"""Institutions that hold different columns of the same patients."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from swarmsim.partition.base import Partition, guess
from swarmsim.types import Assignment, Block, Dataset, InputError

__all__ = ["Vertical"]


class Vertical(Partition):
    """Vertical data: institutions hold different columns (or modalities) of the same patients, a row a patient.

    `blocks: {history: [age, sex, cp], laboratory: [chol]}` cuts the columns of one table; institutions are named
    after their blocks, in the order written. A name also stands for the indicators made of its column (`cp` for
    `cp=asymptomatic` and `cp missing`), and `*` in it for any characters. Each column belongs to one block or to
    `drop`. A patient with a gap in every column of a block lacks that block; single gaps are filled as ever.

    Data that is vertical by itself, such as separate files joined by patient ID, has blocks already: then only
    `validation` and `test` are written here.

    Reference: Vepakomma et al., Split learning for health, 2018 (section 2, vertically partitioned data).
    """

    blocks: dict[str, tuple[str, ...]] = Field(
        default={}, description="The columns of each institution; absent: the data has its own blocks"
    )
    labels: str | None = Field(default=None, description="The block whose institution has the targets")
    drop: tuple[str, ...] = Field(default=(), description="Columns that no institution holds")
    missing: Literal["drop", "keep"] = Field(
        default="drop", description="Of a table that is cut: whether patients who lack a block are left out or kept"
    )

    @model_validator(mode="after")
    def _one_way(self) -> Vertical:
        if not self.blocks:
            if self.labels is not None or self.drop:
                raise ValueError(
                    "labels and drop belong to blocks, and there are none; write blocks: {name: [columns]}"
                )
            return self
        if len(self.blocks) < 2:
            raise ValueError("one block is no vertical data; write two or more")
        if self.labels not in self.blocks:
            named = f"{self.labels!r} is no block{guess(self.labels, self.blocks)}" if self.labels else "is missing"
            raise ValueError(f"labels {named}; one of {', '.join(self.blocks)} has the targets")
        return self

    def cut(self, dataset: Dataset) -> Dataset:
        """The same examples with their columns in blocks, in block order."""
        if dataset.blocks:
            return self._as_it_is(dataset)
        self._check(dataset)
        owners = self._owners(dataset)
        held = {name: [c for c, owner in enumerate(owners) if owner == name] for name in self.blocks}
        order = np.concatenate(list(held.values())).astype(np.int64)
        return self._ordered(dataset, order, tuple(Block(name, (len(own),)) for name, own in held.items()))

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator | None) -> Assignment:
        """Every institution holds (its columns of) the same patients: all, or those who lack no block."""
        rows = np.arange(len(dataset.targets))
        if self.blocks and self.missing == "drop":
            rows = rows[~_lacking(dataset)]
        if not len(rows):
            raise InputError(
                "partition: vertical: every patient lacks a block; write missing: keep, or put columns that are never "
                "recorded in `drop`"
            )
        return Assignment(tuple(block.name for block in dataset.blocks), (rows,) * len(dataset.blocks))

    def _as_it_is(self, dataset: Dataset) -> Dataset:
        if self.blocks:
            raise InputError(
                f"partition: vertical: the data has blocks of its own, {', '.join(b.name for b in dataset.blocks)}; "
                "leave `blocks` out"
            )
        return dataset

    def _check(self, dataset: Dataset) -> None:
        if not self.blocks:
            raise InputError("partition: vertical needs blocks: {name: [columns], ...} to cut the columns of this data")
        if dataset.features.ndim != 2 or not dataset.feature_names:
            raise InputError(
                f"partition: vertical cuts tables whose columns have names; these examples are "
                f"{list(dataset.features.shape[1:])} without names. Images of their own institution come from "
                "data: {use: joined}"
            )

    def _owners(self, dataset: Dataset) -> list[str | None]:
        """The block of each column, None where it is dropped."""
        owners: dict[str, str | None] = {}
        for block, names in [*self.blocks.items(), (None, self.drop)]:
            for name in names:
                for column in _columns(name, dataset.feature_names):
                    if column in owners:
                        both = [owner or "drop" for owner in (owners[column], block)]
                        raise InputError(f"partition: vertical: column {column!r} is named twice: {' and '.join(both)}")
                    owners[column] = block
        if free := [column for column in dataset.feature_names if column not in owners]:
            raise InputError(
                f"partition: vertical: no block holds {', '.join(map(repr, free[:12]))}"
                f"{f' and {len(free) - 12} more' if len(free) > 12 else ''}; put every column in a block or in `drop`"
            )
        if empty := [block for block, names in self.blocks.items() if not names]:
            raise InputError(f"partition: vertical: block {empty[0]!r} has no columns")
        return [owners[column] for column in dataset.feature_names]

    def _ordered(self, dataset: Dataset, order: np.ndarray, blocks: tuple[Block, ...]) -> Dataset:
        outside = dataset.external
        return replace(
            dataset,
            features=np.ascontiguousarray(dataset.features[:, order]),
            feature_names=tuple(dataset.feature_names[c] for c in order),
            external=None if outside is None else replace(outside, features=outside.features[:, order]),
            blocks=blocks,
            label_holder=self.labels,
        )


def _columns(name: str, columns: tuple[str, ...]) -> list[str]:
    """The columns that a name in `blocks` or `drop` stands for."""
    wanted = re.compile(re.escape(name).replace(r"\*", ".*") + "(=.*| missing)?")
    if found := [column for column in columns if wanted.fullmatch(column)]:
        return found
    known = list(dict.fromkeys(re.sub("(=.*| missing)$", "", column) for column in columns))
    more = f" and {len(known) - 40} more" if len(known) > 40 else ""
    there = f"{', '.join(known[:40])}{more}"
    raise InputError(f"partition: vertical: the data has no column {name!r}{guess(name, known)}; it has {there}")


def _lacking(dataset: Dataset) -> np.ndarray:
    """Which patients [N] have a gap in every column of some block."""
    edges = np.cumsum([block.size for block in dataset.blocks])[:-1]
    return np.any([np.isnan(own).all(1) for own in np.split(dataset.features, edges, axis=1)], axis=0)
