"""Decentralised parallel SGD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.local.sharing import Averaging, exchange
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["Dpsgd"]


@dataclass(frozen=True)
class State:
    members: Located


class Dpsgd(Averaging):
    """Decentralised SGD: institutions train and average with their neighbours in the topology.

    adapt_then_combine:  X <- W train(X)                    (one step: X <- W (X - lr G(X)))
    combine_then_adapt:  X <- W X + (train(X) - X)          (one step: X <- W X - lr G(X))

    with W the mixing matrix and G the stacked gradients of the institutions' own batches. W = I is local training,
    W = J with local steps is federated averaging with equal weights. With a constant lr the fixed point is biased by
    O(lr) unless all institutions agree. Momentum buffers stay local.

    Reference: Lian et al., Can decentralized algorithms outperform centralized algorithms?, NeurIPS 2017
    (combine_then_adapt); Sayed, Adaptation, learning, and optimization over networks, 2014 (both orders).
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True

    order: Literal["adapt_then_combine", "combine_then_adapt"] = Field(
        "adapt_then_combine", description="average the trained models, or train beside averaging"
    )

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        institutions, kinds = world.institutions, self.shared(world.learner.network)

        def mix(values: Located, kind: str) -> Located:
            return world.net.mix(values, tick, institutions, kind)

        before, trained = state.members["weights"], world.train(state.members, tick)
        if self.order == "adapt_then_combine":
            weights = exchange(mix, trained["weights"], trained["weights"], institutions, kinds)
        else:
            current = institutions.map(lambda new, old: {**new, "params": old["params"]}, trained["weights"], before)
            mixed = exchange(mix, current, trained["weights"], institutions, kinds)
            weights = institutions.map(_add_change, mixed, trained["weights"], before)
        return State(institutions.map(lambda m, w: {**m, "weights": w}, trained, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]


def _add_change(mixed: dict, after: dict, before: dict) -> dict:
    """W X + (train(X) - X); BatchNorm's statistics are mixed, or stay as they were trained."""
    return {**mixed, "params": mixed["params"] + (after["params"] - before["params"])}
