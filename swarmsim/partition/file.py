"""Partitions on disk: OUT/partition.npz."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from swarmsim.types import Federation, InputError

__all__ = ["PARTS", "read_partition", "save_partition"]

PARTS = ("train", "validation", "test")

# What numpy raises on files that are torn, altered, or something else than a .npz with these arrays.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, ValueError, TypeError, AttributeError)


def save_partition(path: str | Path, federation: Federation) -> None:
    """Writes which rows of the data every institution trains, validates and tests on; the same bytes every time.

    Arrays: names [n], lengths [n, 3] of train, validation and test, rows: all of them, one after another.
    """
    rows = [federation.indices[f"{name}/{part}"] for name in federation.names for part in PARTS]
    path = Path(path)
    unfinished = path.with_name(path.name + ".tmp")
    with unfinished.open("wb") as file:
        np.savez(
            file,
            names=np.array(federation.names),
            lengths=np.array([len(part) for part in rows], dtype=np.int64).reshape(-1, len(PARTS)),
            rows=np.concatenate(rows).astype(np.int64),
        )
    os.replace(unfinished, path)


def read_partition(path: str | Path) -> dict[str, np.ndarray]:
    """ "institution/part" -> rows of the data set, institutions in their order."""
    path = Path(path).expanduser()
    if not path.is_file():
        raise InputError(f"partition: no saved partition {str(path)!r} (from {Path.cwd()}); a run writes partition.npz")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            names, lengths, rows = archive["names"], archive["lengths"], archive["rows"]
        keys = [f"{name}/{part}" for name in names for part in PARTS]
        if lengths.shape != (len(names), len(PARTS)) or lengths.min() < 0 or lengths.sum() != len(rows):
            raise ValueError("its lengths do not fit its rows")
        stretches = np.split(rows.astype(np.int64, casting="safe"), np.cumsum(lengths)[:-1])
        return dict(zip(keys, stretches, strict=True))
    except UNREADABLE as error:
        raise InputError(f"partition: {path} is not a partition that swarmsim wrote: {error}") from error
