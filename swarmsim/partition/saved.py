"""A partition that an earlier run wrote."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from swarmsim.partition.file import PARTS, read_partition
from swarmsim.types import Arguments, Assignment, Dataset

__all__ = ["Saved"]


class Saved(Arguments):
    """Partition of an earlier run, exactly: the same institutions and the same train, validation and test examples.

    Every run writes OUT/partition.npz. Nothing is drawn, and the fractions are those of the file.

    Reference: swarmsim's own run folder.
    """

    path: str = Field(description="The file, e.g. runs/quickstart/partition.npz")

    def prescribed(self) -> dict[str, np.ndarray]:
        """ "institution/part" -> rows, which `federate` uses as they are."""
        return read_partition(self.path)

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """What each institution of the file holds, its parts together."""
        parts = self.prescribed()
        names = tuple(dict.fromkeys(key.rpartition("/")[0] for key in parts))
        return Assignment(
            names, tuple(np.unique(np.concatenate([parts[f"{name}/{part}"] for part in PARTS])) for name in names)
        )
