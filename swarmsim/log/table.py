"""A csv file that grows round by round and can be cut back to a round."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swarmsim.log.files import write_atomic

__all__ = ["Table", "read_rows"]


class Table:
    """A csv file whose first column is the round, ascending.

    What was appended is in the hands of the operating system when `append` returns, so a killed process loses
    nothing; a process killed while it appends may leave a part of a line, which `truncate_after` removes.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self.path = path
        self._open()
        if path.stat().st_size == 0:
            self.append([header])
        self.header = _header(path)

    def append(self, rows: Iterable[Sequence]) -> None:
        """Add lines: numbers as Python writes them (the shortest text that reads back equal), None as nothing."""
        csv.writer(self._file, lineterminator="\n").writerows(rows)
        self._file.flush()

    def sync(self) -> None:
        """Wait until all lines are on the disk: they survive a power failure."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()

    def truncate_after(self, last: int) -> None:
        """Drop the lines of rounds after `last`, and a half-written line at the end."""
        self._file.truncate(_end_of(self.path, last))

    def widen(self, columns: Sequence[str]) -> None:
        """Add columns on the right, empty in the lines that are there."""
        if not columns:
            return
        first, *rest = self.path.read_text(encoding="utf-8").splitlines()
        lines = [",".join((first, *columns)), *(line + "," * len(columns) for line in rest)]
        self.close()
        write_atomic(self.path, ("\n".join(lines) + "\n").encode())
        self.header += list(columns)
        self._open()

    def _open(self) -> None:
        self._file = open(self.path, "a", encoding="utf-8", newline="")  # noqa: SIM115


def read_rows(path: Path) -> Iterator[list[str]]:
    """The lines behind the header."""
    with open(path, encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        next(lines)
        yield from lines


def _header(path: Path) -> list[str]:
    with open(path, encoding="utf-8", newline="") as file:
        return next(csv.reader(file))


def _end_of(path: Path, last: int) -> int:
    """Where the lines of rounds up to `last` end, in bytes."""
    with open(path, "rb") as file:
        end = len(file.readline())
        for line in file:
            if not line.endswith(b"\n") or int(line.split(b",", 1)[0]) > last:
                break
            end += len(line)
    return end
