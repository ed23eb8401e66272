"""What every source of examples that are learned from has in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Literal

from pydantic import Field

from swarmsim.types import Arguments, Dataset

__all__ = ["Source"]


class Source(Arguments):
    """A source of examples. Abstract: `use` names one of the files beside this one."""

    standardize: Literal["institution", "pooled", "none"] = Field(
        default="pooled",
        description="Whose training examples say how gaps are filled and features scaled: all of them together "
        "(pooled: a deployment would take three secure sums a column), each institution's own (nothing leaves it, but "
        "what sets institutions apart is scaled away), or none (features are used as they are)",
    )

    @abstractmethod
    def load(self, institutions: int | None, seed: int) -> Dataset:
        """The examples, not yet divided among institutions."""
