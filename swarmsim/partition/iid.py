"""Equal shares at random."""

from __future__ import annotations

import numpy as np

from swarmsim.partition.base import Partition, cut, wanted
from swarmsim.types import Assignment, Dataset

__all__ = ["Iid"]


class Iid(Partition):
    """Equal shares at random: every institution sees the same distribution.

    Sizes differ by one example at most.

    Reference: McMahan et al., Communication-efficient learning of deep networks from decentralized data, AISTATS 2017.
    """

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """A random order of the examples, cut into n equal stretches."""
        n = wanted("iid", dataset, institutions)
        examples = len(dataset.targets)
        return cut(rng.permutation(examples), [(examples + i) // n for i in range(n)])
