"""Institutions of given sizes and given prevalence."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from swarmsim.partition.base import Partition, guess, numbered
from swarmsim.types import Assignment, Dataset, InputError

__all__ = ["Prevalence"]

Share = Annotated[float, Field(ge=0, le=1)]
Size = Annotated[float, Field(gt=0)]


TINY = 1e-12  # a share that asks for no example, whatever the data


class Prevalence(Partition):
    """Institutions of given relative sizes, where given shares of the examples are positive: scenarios of hospitals.

    Institution i holds m_i = M s_i / sum(s) examples, round(q_i m_i) of them positive, drawn at random without
    replacement; M is the largest number for which there are enough of both kinds. Examples that do not fit stay unused,
    which a prevalence asks for. Of more than two classes, the others keep their mixture.

    Reference: the scenarios of Warnat-Herresthal et al., Swarm Learning for decentralized and confidential clinical
    machine learning, Nature 2021 (prevalences of 50, 1 and 70 %; sites with 10, 30 and 60 % of the data).
    """

    positive: tuple[Share, ...] = Field(min_length=1, description="Share of positive examples at each institution")
    sizes: tuple[Size, ...] | None = Field(
        default=None, description="Relative sizes of the institutions; absent: equal"
    )
    label: str | None = Field(default=None, description="The class that is positive; absent: the last one")

    @model_validator(mode="after")
    def _as_many(self) -> Prevalence:
        if self.sizes is not None and len(self.sizes) != len(self.positive):
            raise ValueError(f"sizes: {len(self.sizes)} numbers for {len(self.positive)} institutions in `positive`")
        return self

    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """Positive examples in random order, then the others, each dealt in institution order."""
        n = len(self.positive)
        if institutions not in (None, n):
            raise InputError(f"partition: prevalence names {n} institutions, but institutions is {institutions}")
        ill = dataset.targets == self._label(dataset)
        kinds = (np.flatnonzero(ill), np.flatnonzero(~ill))
        parts = self._counts(len(kinds[0]), len(kinds[1]))
        dealt = [np.split(rng.permutation(rows), np.cumsum(m))[:-1] for rows, m in zip(kinds, parts, strict=True)]
        return Assignment(numbered(n), tuple(np.sort(np.concatenate(own)) for own in zip(*dealt, strict=True)))

    def _label(self, dataset: Dataset) -> int:
        if not dataset.classes:
            raise InputError("partition: prevalence is of a class, and the data has none; use quantity or iid")
        if self.label is None:
            return len(dataset.classes) - 1
        if self.label not in dataset.classes:
            raise InputError(
                f"partition: the data has no class {self.label!r}{guess(self.label, dataset.classes)}; it has "
                f"{', '.join(dataset.classes)}"
            )
        return dataset.classes.index(self.label)

    def _counts(self, ill: int, well: int) -> tuple[np.ndarray, np.ndarray]:
        """(positive, other) examples of each institution, as many as there are of both kinds."""
        shares = np.array(self.sizes or [1.0] * len(self.positive))
        shares, rates = shares / shares.sum(), np.array(self.positive)
        wanted = ((shares @ rates, ill), (shares @ (1 - rates), well))
        total = min((count / share for share, count in wanted if share > TINY), default=0.0)
        sizes = np.floor(shares * total + 1e-9).astype(np.int64)
        positive = np.minimum(np.round(sizes * rates).astype(np.int64), sizes)
        while positive.sum() > ill or (sizes - positive).sum() > well:  # rounding may ask for one example too many
            sizes = np.maximum(sizes - 1, 0)
            positive = np.minimum(np.round(sizes * rates).astype(np.int64), sizes)
        if sizes.min() < 1:
            raise InputError(
                f"partition: prevalence: {ill} positive and {well} other examples leave none for institution "
                f"{int(sizes.argmin())}; ask for a prevalence nearer to that of the data, or fewer institutions"
            )
        return positive, sizes - positive
