"""Label skew by Dirichlet proportions."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from swarmsim.partition.base import Partition, numbered, wanted
from swarmsim.partition.proportions import draw_until, whole
from swarmsim.types import Assignment, Dataset, InputError

__all__ = ["Dirichlet"]


class Dirichlet(Partition):
    """Label skew: the examples of each class are shared in proportions drawn from Dirichlet(alpha, ..., alpha).

    For alpha to infinity every institution gets the same mixture of classes; for alpha to 0 each class is held by
    one institution. Proportions are drawn again until every institution has `minimum` examples.

    Reference: Hsu, Qi and Brown, Measuring the effects of non-identical data distribution, 2019.
    """

    alpha: float = Field(default=0.5, gt=0, le=1e6, description="Concentration: small is skewed, large is even")
    minimum: int = Field(default=10, ge=1, description="Examples that every institution gets at least")

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """Sizes [classes, n] first, then examples in random order within each class."""
        if not dataset.classes:
            raise InputError("partition: dirichlet skews classes, and the data has none; use quantity, iid or shards")
        n = wanted("dirichlet", dataset, institutions, self.minimum)
        counts = np.bincount(dataset.targets, minlength=len(dataset.classes))

        def draw() -> np.ndarray:
            return np.stack(
                [whole(p, m) for p, m in zip(rng.dirichlet([self.alpha] * n, len(counts)), counts, strict=True)]
            )

        sizes = draw_until(draw, self.minimum, f"dirichlet with alpha {self.alpha:g} and {n} institutions")
        held = [np.split(_shuffled(dataset, c, rng), np.cumsum(sizes[c])[:-1]) for c in range(len(counts))]
        return Assignment(numbered(n), tuple(np.sort(np.concatenate(own)) for own in zip(*held, strict=True)))


def _shuffled(dataset: Dataset, c: int, rng: np.random.Generator) -> np.ndarray:
    return rng.permutation(np.flatnonzero(dataset.targets == c))
