"""Institutions of different sizes."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from swarmsim.partition.base import Partition, cut, wanted
from swarmsim.partition.proportions import draw_until, whole
from swarmsim.types import Assignment, Dataset, InputError

__all__ = ["Quantity"]


class Quantity(Partition):
    """Size skew: institutions hold different numbers of examples with the same mixture of classes.

    Sizes are drawn from Dirichlet(alpha, ..., alpha), again until each has `minimum` examples, or are the
    `fractions` as given. Which examples an institution gets is random.

    Reference: Li, Diao, Chen and He, Federated learning on non-IID data silos, ICDE 2022.
    """

    alpha: float = Field(default=1.0, gt=0, le=1e6, description="Concentration: small is uneven, large is even")
    fractions: tuple[float, ...] | None = Field(
        default=None, min_length=1, description="Fraction of the examples for each institution, instead of alpha"
    )
    minimum: int = Field(default=10, ge=1, description="Examples that every institution gets at least")

    @model_validator(mode="after")
    def _one_rule(self) -> Quantity:
        if self.fractions is None:
            return self
        if self.alpha != type(self).model_fields["alpha"].default:
            raise ValueError("write alpha or fractions, not both")
        if min(self.fractions) <= 0 or abs(sum(self.fractions) - 1) > 1e-6:
            raise ValueError(f"fractions must be above 0 and sum to 1; these sum to {sum(self.fractions):g}")
        return self

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """Sizes [n] first, then a random order of the examples, cut there."""
        total = len(dataset.targets)
        sizes = self._given(dataset, institutions) if self.fractions else self._drawn(dataset, institutions, rng)
        return cut(rng.permutation(total), sizes)

    def _drawn(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> np.ndarray:
        n = wanted("quantity", dataset, institutions, self.minimum)
        what = f"quantity with alpha {self.alpha:g} and {n} institutions"
        return draw_until(lambda: whole(rng.dirichlet([self.alpha] * n), len(dataset.targets)), self.minimum, what)

    def _given(self, dataset: Dataset, institutions: int | None) -> np.ndarray:
        n = len(self.fractions)
        if institutions not in (None, n):
            raise InputError(f"partition: quantity has {n} fractions, but institutions is {institutions}")
        sizes = whole(np.array(self.fractions), len(dataset.targets))
        if sizes.min() < self.minimum:
            raise InputError(
                f"partition: quantity: fraction {self.fractions[int(sizes.argmin())]:g} of {len(dataset.targets)} "
                f"examples is {sizes.min()}, below the minimum of {self.minimum}; write a larger one, or minimum: <n>"
            )
        return sizes
