"""What every rule that divides examples among institutions has in common."""

from __future__ import annotations

import difflib
from abc import abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
from pydantic import Field, model_validator

from swarmsim.types import Arguments, Assignment, Dataset, InputError

__all__ = ["Partition", "cut", "guess", "numbered", "wanted"]


class Partition(Arguments):
    """A rule that divides examples among institutions. Abstract: `use` names one of the files beside this one.

    Each institution then divides what it holds, class by class, into train, validation and test. A part with a
    fraction above 0 gets at least one example.
    """

    validation: float = Field(
        default=0.1, ge=0, lt=1, description="Fraction of an institution's examples to validate on"
    )
    test: float = Field(default=0.25, ge=0, lt=1, description="Fraction of an institution's examples to test on")

    @model_validator(mode="after")
    def _leaves_training(self) -> Partition:
        if self.validation + self.test >= 1:
            raise ValueError("validation + test must be below 1: something must be left to train on")
        return self

    @abstractmethod
    def assign(self, dataset: Dataset, institutions: int | None, rng: np.random.Generator) -> Assignment:
        """Which examples each institution holds: none twice, and all, but where the rule itself cannot use some."""


def wanted(use: str, dataset: Dataset, institutions: int | None, minimum: int = 1) -> int:
    """The number of institutions, once it is known that there are `minimum` examples for each."""
    if institutions is None:
        raise InputError(f"partition: {use} needs to know how many institutions there are; write institutions: <n>")
    examples = len(dataset.targets)
    if institutions < 1 or institutions * minimum > examples:
        fewer = ", or ask for fewer examples each" if minimum > 1 else ""
        raise InputError(
            f"partition: {use} cannot give {minimum} examples to each of {institutions} institutions: there are "
            f"{examples}; use at most {examples // minimum} institutions{fewer}"
        )
    return institutions


def numbered(n: int) -> tuple[str, ...]:
    """institution-0 ... institution-<n-1>, zero-padded so that they sort: `institution-007`."""
    width = len(str(n - 1))
    return tuple(f"institution-{i:0{width}d}" for i in range(n))


def cut(order: np.ndarray, sizes: Sequence[int]) -> Assignment:
    """Consecutive stretches of `order`, one an institution; rows ascending within each."""
    stretches = np.split(order, np.cumsum(sizes)[:-1])
    return Assignment(numbered(len(sizes)), tuple(np.sort(rows) for rows in stretches))


def guess(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where no allowed name is near; letter case counts for nothing."""
    names = {other.casefold(): other for other in allowed}
    near = difflib.get_close_matches(name.casefold(), names, n=1)
    return f" (did you mean {names[near[0]]!r}?)" if near else ""
