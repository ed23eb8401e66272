"""Availability as it was observed: who was awake in which round, from a file or from the experiment itself."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from swarmsim.schedule.faults import Churn
from swarmsim.schedule.naming import indices
from swarmsim.topology.guess import nearest
from swarmsim.types import InputError

__all__ = ["traced"]

LARGEST = 100_000_000


def traced(churn: Churn, names: Sequence[str], rounds: int) -> np.ndarray:
    """Who is awake [rounds, n]; whom the trace does not name is always awake, and what is behind `rounds` is unused.

    InputError for unknown names and for a trace that ends too early.
    """
    rows = churn.rows if churn.path is None else _read(churn.path)
    awake = np.ones((rounds, len(names)), dtype=bool)
    for name, i in zip(rows, indices(list(rows), names, "faults.churn trace"), strict=True):
        if len(rows[name]) < rounds:
            raise InputError(
                f"faults.churn trace: {name} has {len(rows[name])} rounds, but the run has {rounds}; make the trace "
                f"longer, or write rounds: {len(rows[name])}"
            )
        awake[:, i] = rows[name][:rounds]
    return awake


def _read(path: str) -> Mapping[str, Sequence[int]]:
    lines = _lines(path)
    if len(lines) < 2 or lines[0][:1] != ["round"] or len(set(lines[0])) != len(lines[0]):
        raise InputError(f"{_at(path)}: the first line must be round and names of institutions, each once")
    for t, line in enumerate(lines[1:], 1):
        if len(line) != len(lines[0]) or line[0] != str(t) or not set(line[1:]) <= {"0", "1"}:
            wanted, got = f"{t} and {len(lines[0]) - 1} times 0 or 1", ",".join(line)[:80]
            raise InputError(f"{_at(path)}, line {t + 1}: must be {wanted}, got {got!r}")
    columns = zip(*lines[1:], strict=True)
    return {name: [int(value) for value in column] for name, column in zip(lines[0], columns, strict=True)
            if name != "round"}  # fmt: skip


def _lines(path: str) -> list[list[str]]:
    place = Path(path).expanduser()
    if not place.is_file():
        beside = [other.name for other in place.parent.glob("*.csv")] if place.parent.is_dir() else []
        raise InputError(f"{_at(path)}: no such file{nearest(place.name, beside)}")
    if place.stat().st_size > LARGEST:
        raise InputError(f"{_at(path)}: more than {LARGEST} bytes; a trace of this size is refused")
    try:
        return list(csv.reader(place.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{_at(path)} cannot be read as a table: {error}") from error


def _at(path: str) -> str:
    return f"faults.churn trace {path!r}"
