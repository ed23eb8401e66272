"""Which parts of a model's weights cross the net, and how they are put back together behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from pydantic import Field

from swarmsim.local.training import Training
from swarmsim.network.located import Group, Located
from swarmsim.rows import Segment

__all__ = ["Averaging", "Verb", "all_of", "exchange", "shares"]

Verb = Callable[[Located, str], Located]  # a verb of the net (values, kind) with its other arguments filled in


class Averaging(Training):
    """Training whose results are averaged; BatchNorm's statistics may stay where the patients are."""

    batch_norm: Literal["average", "local"] = Field("average", description="BatchNorm statistics: averaged, or kept")

    def shared(self, part: Segment) -> list[str]:
        """The kinds of rows that cross: parameters, and BatchNorm's rows unless they stay local."""
        return all_of(part) if self.batch_norm == "average" else ["params"]


def all_of(part: Segment) -> list[str]:
    """The kinds of rows that a part of a model has."""
    return ["params", "buffers", "counters"] if part.buffers.size else ["params"]


def exchange(verb: Verb, source: Located, into: Located, group: Group, kinds: Sequence[str]) -> Located:
    """The weights `into` of a group's members, with those `kinds` of rows that `verb` brought from `source`."""
    rows = [verb(source[kind], "weights" if kind == "params" else "buffers") for kind in kinds]
    return group.map(lambda mine, *new: {**mine, **dict(zip(kinds, new, strict=True))}, into, *rows)


def shares(weights: Literal["samples", "equal"], sizes: Sequence[int]) -> list[float]:
    """What each institution counts for in a mean, summing to 1: N_i / N, or 1 / n."""
    counts = list(sizes) if weights == "samples" else [1] * len(sizes)
    return [count / sum(counts) for count in counts]
