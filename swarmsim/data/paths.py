"""Where data files are looked for, and reading arrays that may not be trusted."""

from __future__ import annotations

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from swarmsim.data.text import guess, listed
from swarmsim.types import InputError

__all__ = ["find", "read_arrays"]

# What numpy raises on files that are torn, altered, or something else than a .npz.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, TypeError, AttributeError)


def find(path: str) -> Path:
    """The file or folder: relative paths against SWARMSIM_DATA where it exists there, else the current directory."""
    given = Path(path).expanduser()
    tried = [given] if given.is_absolute() else _places(given)
    for place in tried:
        if place.exists():
            return place
    hint = "" if given.is_absolute() or len(tried) > 1 else "; the environment variable SWARMSIM_DATA is not set"
    raise InputError(f"data: no file {path!r}: tried {' and '.join(str(place) for place in tried)}{hint}")


def _places(relative: Path) -> list[Path]:
    root = os.environ.get("SWARMSIM_DATA")
    return ([Path(root).expanduser() / relative] if root else []) + [Path.cwd() / relative]


def read_arrays(path: Path, keys: list[str]) -> dict[str, np.ndarray]:
    """Arrays of an .npz by name. Pickled objects are never read: they could run code."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            return {key: _array(path, archive, key) for key in keys}
    except UNREADABLE as error:
        raise InputError(f"data: {path} cannot be read as a .npz of plain arrays: {error}") from error


def _array(path: Path, archive: np.lib.npyio.NpzFile, key: str) -> np.ndarray:
    if key not in archive.files:
        raise InputError(
            f"data: {path} has no array {key!r}{guess(key, archive.files)}; it has {listed(archive.files)}"
        )
    try:
        return archive[key]
    except ValueError as error:
        raise InputError(
            f"data: array {key!r} of {path} cannot be read: {error}; arrays of objects are pickles, which are never "
            "opened: save it again as numbers or as fixed-length text"
        ) from error
