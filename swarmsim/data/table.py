"""Tables of text: reading, numbers, one-hot columns."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from swarmsim.data.text import guess, listed, shortened
from swarmsim.types import InputError

__all__ = ["Table", "check_columns", "features", "is_missing", "numbers", "one_hot", "read_table"]

LARGEST = float(np.finfo(np.float32).max)
MISSING = frozenset({"", "na", "nan", "?"})
LONGEST_NAME = 200  # characters of a column's name
MOST_CATEGORIES = 1_000  # of one column; more would be a column of names or IDs

Table = dict[str, list[str]]


def is_missing(cell: str) -> bool:
    """Whether a cell stands for no value: empty, NA, NaN or ? in any case."""
    return cell.lower() in MISSING


def read_table(path: Path, delimiter: str = ",") -> Table:
    """Columns of a delimited text file with one header line; cells are stripped text."""
    if not path.is_file():
        raise InputError(f"data: {path} is a folder, not a table")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, delimiter=delimiter) if line]
    except (OSError, TypeError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"data: {path} cannot be read as a table: {shortened(str(why))}") from error
    if len(lines) < 2:
        raise InputError(f"data: {path} has {len(lines)} lines; a header and at least one row are needed")
    header = [name.strip() for name in lines[0]]
    _check(path, header, lines)
    return {name: [line[i].strip() for line in lines[1:]] for i, name in enumerate(header)}


def _check(path: Path, header: list[str], lines: list[list[str]]) -> None:
    if odd := [name for name in header if not name.isprintable() or len(name) > LONGEST_NAME]:
        raise InputError(f"data: {path} has a column with the odd or long name {shortened(odd[0], 80)!r}; rename it")
    twice = sorted(name for name, count in Counter(header).items() if count > 1)
    if twice:
        raise InputError(f"data: {path} has two columns with the name {twice[0]!r}; rename one")
    for row, line in enumerate(lines[1:], start=1):
        if len(line) != len(header):
            raise InputError(f"data: {path}, row {row} has {len(line)} cells, the header has {len(header)}")


def check_columns(table: Table, named: Sequence[str], path: str, roles: str) -> None:
    """Every column that arguments name is there, and none is named twice; `roles` says which arguments those are."""
    for name in named:
        if name not in table:
            raise InputError(f"data: {path} has no column {name!r}{guess(name, table)}; it has {listed(table, 40)}")
    if twice := sorted({name for name in named if named.count(name) > 1}):
        raise InputError(f"data: column {twice[0]!r} is named twice among {roles}")


def features(table: Table, names: Sequence[str], categorical: Sequence[str]) -> tuple[np.ndarray, tuple[str, ...]]:
    """The columns `names` side by side, [N, D] float32, and what each of the D is called; `categorical` are words."""
    blocks = [one_hot(table[n], n) if n in categorical else (numbers(table[n], n), [n]) for n in names]
    matrix = np.concatenate([block for block, _ in blocks], axis=1)
    return np.ascontiguousarray(matrix), tuple(name for _, own in blocks for name in own)


def numbers(cells: Sequence[str], column: str) -> np.ndarray:
    """A column of numbers [N, 1] float32, NaN where missing."""
    values = np.empty((len(cells), 1), dtype=np.float32)
    for row, cell in enumerate(cells):
        try:
            number = np.nan if is_missing(cell) else float(cell)
            values[row] = number if abs(number) <= LARGEST or np.isnan(number) else np.inf
        except ValueError:
            raise InputError(
                f"data: column {column!r}, row {row + 1} holds {cell[:80]!r}, which is no number; name the column in "
                "`categorical` to use it as categories, or in `drop` to leave it out"
            ) from None
    return values


def one_hot(cells: Sequence[str], column: str, categories: Sequence[str] = ()) -> tuple[np.ndarray, list[str]]:
    """Indicators [N, k] float32 of the categories, NaN in all of them where missing; two categories need one column."""
    found = sorted({cell for cell in cells if not is_missing(cell)})
    categories = list(categories) or found
    if len(categories) > MOST_CATEGORIES:
        raise InputError(
            f"data: column {column!r} holds {len(categories)} different words, more than {MOST_CATEGORIES}; are they "
            "names or IDs? then put the column into `drop`"
        )
    if unknown := sorted(set(found) - set(categories)):
        raise InputError(f"data: column {column!r} holds {unknown[0]!r}; it may hold {listed(categories)}")
    shown = categories[1:] if len(categories) == 2 else categories
    matrix = np.array([[cell == name for name in shown] for cell in cells], dtype=np.float32).reshape(len(cells), -1)
    matrix[[is_missing(cell) for cell in cells]] = np.nan
    return matrix, [f"{column}={name}" for name in shown]
