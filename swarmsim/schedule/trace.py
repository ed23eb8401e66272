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
from swarmsim.untrusted import lookup

__all__ = ["traced"]

LARGEST, LONGEST_NAME = 100_000_000, 200  # bytes; characters


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
    named = len(lines) > 1 and lines[0][:1] == ["round"] and len(set(lines[0])) == len(lines[0])
    if not named or max(map(len, lines[0])) > LONGEST_NAME:
        raise InputError(f"{_at(path)}: the first line must be round and names of institutions, each once")
    for t, line in enumerate(lines[1:], 1):
        if len(line) != len(lines[0]) or line[0] != str(t) or not set(line[1:]) <= {"0", "1"}:
            wanted, got = f"{t} and {len(lines[0]) - 1} times 0 or 1", ",".join(line)[:80]
            raise InputError(f"{_at(path)}, line {t + 1}: must be {wanted}, got {got!r}")
    columns = zip(*lines[1:], strict=True)
    return {name: [int(value) for value in column] for name, column in zip(lines[0], columns, strict=True)
            if name != "round"}  # fmt: skip


def _lines(path: str) -> list[list[str]]:
    place = lookup(path)
    if place is None or place.is_dir():
        folder = lookup(Path(path).parent)
        beside = [other.name for other in folder.glob("*.csv")] if folder else []
        raise InputError(f"{_at(path)}: no such file{nearest(Path(path).name, beside)}")
    if place.stat().st_size > LARGEST:
        raise InputError(f"{_at(path)}: more than {LARGEST} bytes; a trace of this size is refused")
    try:
        return list(csv.reader(place.read_text(encoding="utf-8-sig").splitlines(), strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{_at(path)} cannot be read as a table: {error}") from error


def _at(path: str) -> str:
    return f"faults.churn trace {path[:200]!r}"
