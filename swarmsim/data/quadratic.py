"""Targets of quadratic objectives."""

from __future__ import annotations

import numpy as np
from pydantic import Field, model_validator

from swarmsim.data.text import numbered
from swarmsim.types import Arguments, Dataset, InputError

__all__ = ["Quadratic"]


class Quadratic(Arguments):
    """Targets a_i, one an institution, of quadratic objectives: every fixed point is known in closed form.

    With `model: {use: point}` and `task: {use: quadratic}` institution i minimises |x - a_i|^2 / 2. The examples
    define the objective itself: train, validation and test are the same. Without `partition` institution i gets
    target i.

    Reference: Yuan, Ling and Yin, On the convergence of decentralized gradient descent, SIAM J. Optim. 2016.
    """

    targets: tuple[float | tuple[float, ...], ...] = Field(
        min_length=1, description="One number, or one list of numbers, an institution"
    )

    @model_validator(mode="after")
    def _equally_long(self) -> Quadratic:
        sizes = [len(target) if isinstance(target, tuple) else None for target in self.targets]
        if len(set(sizes)) > 1 or 0 in sizes:
            raise ValueError("targets must all be numbers, or all be lists with the same number of numbers")
        return self

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """One example a target: features [n, 1] are 0, targets [n, d] float64."""
        targets = np.array(self.targets, dtype=np.float64).reshape(len(self.targets), -1)
        if institutions not in (None, len(targets)):
            raise InputError(
                f"data: quadratic has {len(targets)} targets, but institutions is {institutions}; "
                "write one target an institution, or leave `institutions` out"
            )
        return Dataset(
            features=np.zeros((len(targets), 1), dtype=np.float32),
            targets=targets,
            columns={"institution": np.array(numbered(len(targets)))},
            objective=True,
        )
