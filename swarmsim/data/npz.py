"""Arrays in a .npz file."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from swarmsim.data.paths import find, read_arrays
from swarmsim.data.source import Source
from swarmsim.data.targets import array_targets
from swarmsim.types import Dataset, InputError

__all__ = ["Npz"]


class Npz(Source):
    """Arrays in a numpy .npz file: features [N, ...] and targets [N], as they are.

    Nothing is ever unpickled: arrays of objects are refused. NaN is a missing value. Images are [N, C, H, W].
    `site` names an array [N] that becomes the column `site` for `partition: {use: natural, column: site}`; where it
    holds numbers, `site_names` may name an array of words that they index.

    Reference: numpy.lib.format, the .npy format.
    """

    path: str = Field(description="The file; relative to SWARMSIM_DATA or the current directory")
    x: str = Field(default="x", description="The array of features, [N, ...]")
    y: str = Field(default="y", description="The array of targets, [N] (or [N, k] for regression)")
    target_type: Literal["classification", "regression"] = Field(
        default="classification", description="Whether targets are classes or numbers"
    )
    site: str | None = Field(default=None, description="The array [N] that says where an example comes from")
    site_names: str | None = Field(default=None, description="The array of names that `site` indexes")
    feature_names: str | None = Field(default=None, description="The array with the names of the features")

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """Every example of the file; neither the number of institutions nor the seed changes them."""
        keys = [key for key in (self.x, self.y, self.site, self.site_names, self.feature_names) if key is not None]
        arrays = read_arrays(find(self.path), keys)
        features, targets = self._features(arrays[self.x]), arrays[self.y]
        self._check_length(self.y, targets, len(features))
        targets, classes = array_targets(targets, self.target_type, f"array {self.y!r} of {self.path}")
        names = () if self.feature_names is None else tuple(str(name) for name in arrays[self.feature_names])
        return Dataset(features, targets, classes, self._columns(arrays, len(features)), names)

    def _features(self, x: np.ndarray) -> np.ndarray:
        if x.dtype.kind not in "fiub" or x.ndim < 2 or not x.size:
            raise InputError(
                f"data: array {self.x!r} of {self.path} is {x.dtype} {list(x.shape)}; features are numbers [N, ...]"
            )
        return np.ascontiguousarray(x, dtype=np.float32)

    def _columns(self, arrays: dict[str, np.ndarray], n: int) -> dict[str, np.ndarray]:
        if self.site is None:
            if self.site_names is not None:
                raise InputError("data: site_names is given without `site`, the array that indexes it")
            return {}
        site = arrays[self.site]
        self._check_length(self.site, site, n)
        if self.site_names is None:
            return {"site": site}
        names = arrays[self.site_names]
        if site.dtype.kind not in "iu" or site.min() < 0 or site.max() >= len(names):
            raise InputError(
                f"data: array {self.site!r} of {self.path} does not index the {len(names)} names of {self.site_names!r}"
            )
        return {"site": names[site]}

    def _check_length(self, key: str, array: np.ndarray, n: int) -> None:
        if array.ndim < 1 or len(array) != n:
            raise InputError(
                f"data: array {key!r} of {self.path} has shape {list(array.shape)}, but {self.x!r} has {n} examples"
            )
