"""Partitions on disk: OUT/partition.npz."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from swarmsim.types import Federation, InputError
from swarmsim.untrusted import load_arrays, lookup

__all__ = ["PARTS", "read_partition", "save_partition"]

PARTS = ("train", "validation", "test")


def save_partition(path: str | Path, federation: Federation) -> None:
    """Writes which rows of the data every institution trains, validates and tests on; the same bytes every time.

    Arrays: names [n], lengths [n, 3] of train, validation and test, rows: all of them, one after another.
    """
    rows = [federation.indices[f"{name}/{part}"] for name in federation.names for part in PARTS]
    path = Path(path)
    unfinished = path.with_name(path.name + ".tmp")
    held = io.BytesIO()
    np.savez(
        held,
        names=np.array(federation.names),
        lengths=np.array([len(part) for part in rows], dtype=np.int64).reshape(-1, len(PARTS)),
        rows=np.concatenate(rows).astype(np.int64),
    )
    try:
        with unfinished.open("wb") as file:
            file.write(held.getvalue())
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError:
        unfinished.unlink(missing_ok=True)  # and its space is free again
        raise


def read_partition(path: str | Path) -> dict[str, np.ndarray]:
    """ "institution/part" -> rows of the data set, institutions in their order."""
    found = lookup(path)
    if found is None or found.is_dir():
        raise InputError(
            f"partition: no saved partition {str(path)[:200]!r} (from {Path.cwd()}); a run writes partition.npz"
        )
    try:
        names, lengths, rows = load_arrays(found, ("names", "lengths", "rows"), lambda _key, _names: "").values()
        if names.ndim != 1 or len(set(names.tolist())) < len(names):
            raise ValueError("it names an institution twice")
        if rows.ndim != 1 or lengths.shape != (len(names), len(PARTS)) or not _add_up(lengths, len(rows)):
            raise ValueError("its lengths do not fit its rows")
        stretches = np.split(rows.astype(np.int64, casting="safe"), np.cumsum(lengths)[:-1])
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"partition: {path} is not a partition that swarmsim wrote: {error}") from error
    return dict(zip([f"{name}/{part}" for name in names for part in PARTS], stretches, strict=True))


def _add_up(lengths: np.ndarray, total: int) -> bool:
    inside = lengths.dtype.kind in "iu" and lengths.size and lengths.min() >= 0 and lengths.max() <= total
    return bool(inside) and lengths.sum() == total
