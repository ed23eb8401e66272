"""Where data files are looked for, and reading arrays that may not be trusted."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from swarmsim.data.text import guess, listed, shortened
from swarmsim.types import InputError
from swarmsim.untrusted import load_arrays, lookup

__all__ = ["find", "read_arrays"]


def find(path: str) -> Path:
    """The file or folder: relative paths against SWARMSIM_DATA where it exists there, else the current directory."""
    tried = [Path(path)] if Path(path).is_absolute() or path.startswith("~") else _places(Path(path))
    if (found := next(filter(None, map(lookup, tried)), None)) is not None:
        return found
    hint = "" if len(tried) > 1 or tried[0] == Path(path) else "; the environment variable SWARMSIM_DATA is not set"
    places = " and ".join(shortened(str(place)) for place in tried)
    raise InputError(f"data: no file {shortened(path)!r}: tried {places}{hint}")


def _places(relative: Path) -> list[Path]:
    root = os.environ.get("SWARMSIM_DATA")
    return ([Path(root).expanduser() / relative] if root else []) + [Path.cwd() / relative]


def read_arrays(path: Path, keys: list[str]) -> dict[str, np.ndarray]:
    """Arrays of an .npz by name. Pickled objects are never read: they could run code."""
    try:
        return load_arrays(path, keys, lambda key, names: f"{guess(key, names)}; it has {listed(names)}")
    except InputError as error:
        raise InputError(f"data: {error}") from error.__cause__
