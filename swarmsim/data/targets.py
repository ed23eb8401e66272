"""What is to be predicted: class indices, or numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from swarmsim.data.table import Table, is_missing
from swarmsim.data.text import guess, listed, shortened
from swarmsim.types import InputError

__all__ = ["Kind", "array_targets", "cell_targets", "class_targets", "number_targets", "site_targets"]

LONGEST = 200  # characters of a class's name
Kind = Literal["classification", "regression"]


def cell_targets(cells: Sequence[str], kind: Kind, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets and classes (none for regression) of a column of text, in which no cell may be empty."""
    if gaps := [row for row, cell in enumerate(cells, start=1) if is_missing(cell)]:
        raise InputError(f"data: {where}: row {gaps[0]} is empty; every example needs a target")
    return array_targets(np.array(cells) if kind == "regression" else _numbers_or_words(cells), kind, where)


def site_targets(
    table: Table, sites: np.ndarray, columns: Mapping[str, str], kind: Kind, path: str
) -> tuple[np.ndarray, tuple[str, ...], tuple[str, ...]]:
    """Targets [N] where each site has its own column (`columns`: site -> column), classes, and a note a site.

    Class k of a site is its k-th class in sorted order; a model has as many logits as the largest task has classes,
    and a site with fewer never sees its last ones as a target. A class that sites call differently is `no/never`.
    """
    _check_sites(np.unique(sites).tolist(), columns, path)
    found, notes = {}, []
    for name, column in columns.items():
        rows = np.flatnonzero(sites == name)
        where = f"column {column!r} of {path}, among the rows of {name!r},"
        found[name] = (rows, *cell_targets([table[column][row] for row in rows], kind, where))
        notes.append(f"csv: {name} predicts {column}" + (f" ({listed(found[name][2])})" if found[name][2] else ""))
    targets = np.concatenate([own for _, own, _ in found.values()])
    order = np.argsort(np.concatenate([rows for rows, _, _ in found.values()]))
    tasks = [classes for _, _, classes in found.values()]
    called = [dict.fromkeys(classes[k] for classes in tasks if k < len(classes)) for k in range(max(map(len, tasks)))]
    return targets[order], tuple("/".join(names) for names in called), tuple(notes)


def _check_sites(there: Sequence[str], columns: Mapping[str, str], path: str) -> None:
    if unknown := [name for name in columns if name not in there]:
        raise InputError(
            f"data: target: {path} has no site {unknown[0]!r}{guess(unknown[0], there)}; it has {listed(there)}"
        )
    if without := [name for name in there if name not in columns]:
        raise InputError(f"data: target: no column to predict for {listed(without)}; every site of {path} needs one")


def array_targets(values: np.ndarray, kind: Kind, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets and classes (none for regression)."""
    return class_targets(values, where) if kind == "classification" else (number_targets(values, where), ())


def class_targets(values: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Indices [N] int64 and the names of the classes: sorted, numbers by value and words by letters."""
    values = _flat(values, where)
    if values.dtype.kind == "f" and not np.array_equal(values, np.floor(values)):
        bad = values[values != np.floor(values)][0]
        raise InputError(f"data: {where} holds {bad}, which is no class; write target_type: regression for numbers")
    classes, targets = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"data: {where} holds one class only ({classes[0]!s}); classification needs two")
    names = tuple(_name(value) for value in classes)
    if odd := [name for name in names if not name.isprintable() or len(name) > LONGEST]:
        raise InputError(f"data: {where} holds a class with the odd or long name {shortened(odd[0], 80)!r}; rename it")
    return targets.reshape(-1).astype(np.int64), names


def number_targets(values: np.ndarray, where: str) -> np.ndarray:
    """Targets [N, k] float32; anything missing or infinite is an error."""
    try:
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            numbers = np.asarray(values, dtype=np.float32)
    except ValueError as error:
        raise InputError(f"data: {where} holds values that are no numbers ({error}); use classification") from error
    if not np.isfinite(numbers).all():
        row = int(np.argwhere(~np.isfinite(numbers))[0][0])
        raise InputError(f"data: {where}: row {row + 1} is {numbers[row]}; every example needs a target")
    return np.ascontiguousarray(numbers.reshape(len(numbers), -1))


def _numbers_or_words(cells: Sequence[str]) -> np.ndarray:
    """Whole numbers where every cell is one, so that class 10 comes after class 9."""
    try:
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    except (ValueError, OverflowError):
        return np.array(cells)


def _flat(values: np.ndarray, where: str) -> np.ndarray:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(
            f"data: {where} has shape {list(values.shape)}; one class per example is needed, [N] or [N, 1]"
        )
    if not len(values):
        raise InputError(f"data: {where} is empty")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"data: {where}: row {row + 1} is {values[row]}; every example needs a target")
    return values


def _name(value: np.generic) -> str:
    return str(int(value)) if value.dtype.kind in "fb" else str(value)
