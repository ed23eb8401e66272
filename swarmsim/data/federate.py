"""From a source and a partition to the federation that every method shares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

import numpy as np

from swarmsim.data.notes import describe
from swarmsim.data.prepare import prepare
from swarmsim.data.split import Rows, check_rows, split
from swarmsim.data.text import folder_names, listed
from swarmsim.data.vertical import divide, prescribed, vertical
from swarmsim.rng import stream
from swarmsim.types import Assignment, Dataset, Federation, InputError

__all__ = ["Partitioner", "Loader", "federate"]

VALIDATION, TEST = 0.1, 0.25  # where no partition says otherwise

Saved = Mapping[str, np.ndarray] | None  # "institution/part" -> rows


class Loader(Protocol):
    """A source, as far as this room's entry needs it."""

    def load(self, institutions: int | None, seed: int) -> Dataset: ...


class Partitioner(Protocol):
    """A partition, as far as this room's entry needs it; `saved` also has `prescribed`, `vertical` also `cut`."""

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment: ...


def federate(
    source: Loader,
    partition: Partitioner | None,
    institutions: int | None,
    seed: int,
    saved: Saved = None,
) -> Federation:
    """Loads, assigns examples to institutions, divides them into train, validation and test, fills gaps and scales.

    `saved` ("institution/part" -> rows, as `read_partition` gives) is used exactly as it is, whatever the partition.
    Without a partition the column `institution` of the data decides, where there is one.
    """
    dataset = getattr(partition, "cut", lambda whole: whole)(source.load(institutions, seed))
    if saved is None:
        saved = getattr(partition, "prescribed", lambda: None)()
    standardize = getattr(source, "standardize", "none")
    build = _vertical if dataset.blocks else _horizontal
    federation = build(dataset, partition, institutions, seed, saved, standardize)
    return replace(federation, notes=describe(dataset, federation, standardize))


def _horizontal(
    dataset: Dataset, partition: Partitioner | None, institutions: int | None, seed: int, saved: Saved, standardize: str
) -> Federation:
    """Institutions hold different examples."""
    if saved is not None:
        assignment, parts = _prescribed(dataset, saved, institutions)
    else:
        assignment = _assign(dataset, partition, institutions, seed)
        parts = split(dataset, assignment, *_fractions(partition), seed)
    _check_tasks(dataset, assignment)
    return prepare(dataset, Assignment(folder_names(assignment.names), assignment.indices), parts, standardize)


def _vertical(
    dataset: Dataset, partition: Partitioner | None, institutions: int | None, seed: int, saved: Saved, standardize: str
) -> Federation:
    """Institutions hold different columns of the same examples."""
    _agree(len(dataset.blocks), institutions, "the vertical data")
    if saved is not None:
        return vertical(dataset, prescribed(dataset, saved), standardize)
    patients = _patients(dataset, partition)
    return vertical(dataset, divide(dataset, patients, *_fractions(partition), seed), standardize)


def _fractions(partition: Partitioner | None) -> tuple[float, float]:
    return (VALIDATION, TEST) if partition is None else (partition.validation, partition.test)


def _patients(dataset: Dataset, partition: Partitioner | None) -> np.ndarray:
    """Rows of the patients that a vertical federation has."""
    if partition is None:
        return np.arange(len(dataset.targets))
    if not hasattr(partition, "cut"):
        raise InputError(
            "partition: the data is vertical, an institution holds a block of columns of every patient; leave "
            "`partition` out, or write partition: {use: vertical} with `validation` and `test`"
        )
    return partition.assign(dataset, None, None).indices[0]


def _check_tasks(dataset: Dataset, assignment: Assignment) -> None:
    """Where targets mean different things, an institution holds examples with one meaning."""
    if dataset.one_task:
        return
    for name, rows in zip(assignment.names, assignment.indices, strict=True):
        if len(mixed := np.unique(dataset.columns["institution"][rows])) > 1:
            raise InputError(
                f"partition: institution {name!r} would hold examples of {listed(mixed)}, which predict different "
                "columns; leave `partition` out, or use natural with the column `site`"
            )


def _assign(dataset: Dataset, partition: Partitioner | None, institutions: int | None, seed: int) -> Assignment:
    if partition is not None:
        return partition.assign(dataset, institutions, stream(seed, "partition"))
    if "institution" not in dataset.columns:
        columns = listed(dataset.columns) or "no columns"
        raise InputError(
            "partition: the data does not say which institution holds what; write partition: {use: iid} with "
            f"institutions: <n>, or partition: {{use: natural, column: <one of {columns}>}}"
        )
    names, owner = np.unique(dataset.columns["institution"], return_inverse=True)
    _agree(len(names), institutions, "the column `institution` of the data")
    return Assignment(tuple(map(str, names)), tuple(np.flatnonzero(owner == i) for i in range(len(names))))


def _agree(found: int, institutions: int | None, what: str) -> None:
    if institutions not in (None, found):
        raise InputError(f"institutions is {institutions}, but {what} has {found}; leave `institutions` out")


def _prescribed(
    dataset: Dataset, saved: Mapping[str, np.ndarray], institutions: int | None
) -> tuple[Assignment, tuple[Rows, ...]]:
    """The institutions and parts of a saved partition, once it is known to fit the data."""
    names = tuple(dict.fromkeys(key.rpartition("/")[0] for key in saved))
    _agree(len(names), institutions, "the saved partition")
    parts = tuple(Rows(*(np.asarray(saved[f"{name}/{part}"]) for part in Rows._fields)) for name in names)
    held = [np.unique(np.concatenate(rows)) for rows in parts]
    used = np.concatenate(held if dataset.objective else [part for rows in parts for part in rows])
    check_rows(used, len(dataset.targets))
    for name, rows in zip(names, parts, strict=True):
        if not len(rows.train):
            raise InputError(f"partition: the saved partition gives institution {name!r} nothing to train on")
    return Assignment(names, tuple(held)), parts
