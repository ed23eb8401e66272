"""Institutions that count by their examples under a mixing matrix that treats all alike, and those that sleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from pydantic import Field

from swarmsim.local.sharing import Averaging
from swarmsim.network.located import Group, Located
from swarmsim.types import Tick

__all__ = ["Weighted", "of_awake"]


class Weighted(Averaging):
    """Averaging with a doubly stochastic W, where an institution's own objective f_i counts for p_i.

    What institutions agree on minimises sum_i p_i f_i with p_i = 1 / n, or N_i / N if gradients are scaled by n p_i.
    Sample counts in W's rows would not do it: their fixed point is weighted by the left eigenvector of W.
    """

    gradient_weights: Literal["equal", "samples"] = Field(
        "equal", description="what an institution's objective counts for: 1, or by its training examples"
    )

    def weighed(self, rows: Located, group: Group, world: Any) -> Located:
        """n p_i times the row [d] of each member of a group: a gradient, or how training changed a model."""
        if self.gradient_weights == "equal":
            return rows
        n, total = len(world.sizes), sum(world.sizes)
        scales = group.each(lambda i, row: row.new_tensor([n * world.sizes[i] / total]), rows)
        return group.map(lambda row, scale: row * scale, rows, scales)


def of_awake(f: Callable, tick: Tick, world: Any, kept: Located, *others: Located) -> Located:
    """f(kept, *others) of every institution that is awake; what those asleep hold of `kept` stays as it was."""
    awake = world.institutions.only(tick.awake(world.institutions.members))
    after = awake.map(f, kept, *others)
    return after if len(after) == len(kept) else kept | after
