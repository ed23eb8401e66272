"""Label-sorted shards."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from swarmsim.partition.base import Partition, numbered, wanted
from swarmsim.types import Assignment, Dataset, InputError

__all__ = ["Shards"]


class Shards(Partition):
    """Pathological label skew: examples sorted by label are cut into shards, and each institution is dealt a few.

    n * shards_per_institution shards, sizes within one example of each other; with 2 of them most institutions see
    two classes. Numbers as targets are sorted by the first one.

    Reference: McMahan et al., Communication-efficient learning of deep networks from decentralized data, AISTATS 2017.
    """

    shards_per_institution: int = Field(default=2, ge=1, description="Shards that each institution is dealt")

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """Random order within a label, then shards, then a random deal."""
        if dataset.targets.ndim > 2:
            raise InputError("partition: shards sorts by label, and masks have none; use quantity, iid or natural")
        n = wanted("shards", dataset, institutions, minimum=self.shards_per_institution)
        labels = dataset.targets.reshape(len(dataset.targets), -1)[:, 0]
        order = rng.permutation(len(labels))
        shards = np.array_split(order[np.argsort(labels[order], kind="stable")], n * self.shards_per_institution)
        deal = rng.permutation(len(shards)).reshape(n, -1)
        return Assignment(numbered(n), tuple(np.sort(np.concatenate([shards[s] for s in own])) for own in deal))
