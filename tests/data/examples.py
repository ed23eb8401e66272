"""Small data sets and the folder of shared files, for the tests of data and partition."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from swarmsim.types import Dataset

__all__ = ["labelled", "shared", "tabular"]

PROJECT = Path(__file__).resolve().parents[2]


def shared(name: str) -> str:
    """The path of a shared file; skips the test where the folder is missing."""
    file = Path(os.environ.get("SWARMSIM_DATA", PROJECT.parent / "shared" / "data")) / name
    if not file.exists():
        pytest.skip(f"needs {file}: set SWARMSIM_DATA to the folder of shared data files")
    return str(file)


def labelled(targets: list[int] | np.ndarray, **more: object) -> Dataset:
    """Examples whose one feature is their own row, with these classes."""
    targets = np.asarray(targets, dtype=np.int64)
    features = np.arange(len(targets), dtype=np.float32)[:, None]
    classes = tuple(str(c) for c in range(max(2, int(targets.max()) + 1)))
    return Dataset(features, targets, classes, **more)


def tabular(n: int = 200, seed: int = 0) -> Dataset:
    """Three normal features on different scales, two classes, gaps, and two hospitals that differ."""
    rng = np.random.default_rng(seed)
    features = rng.normal([0, 100, -3], [1, 20, 0.1], (n, 3)).astype(np.float32)
    features[rng.random((n, 3)) < 0.1] = np.nan
    hospital = np.where(np.arange(n) < n // 2, "north", "south")
    features[hospital == "south", 1] += 50
    return Dataset(features, rng.integers(0, 2, n), ("no", "yes"), {"hospital": hospital}, ("a", "b", "c"))
