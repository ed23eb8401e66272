"""Decentralised parallel SGD."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.sharing import Shared, Verb, exchange, exchange_beside
from swarmsim.local.weighting import Weighted
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["Dpsgd"]


@dataclass(frozen=True)
class State:
    members: Located


class Dpsgd(Weighted):
    """Decentralised SGD: institutions train and average with their neighbours in the topology.

    adapt_then_combine:  X <- W train(X)                    (one step: X <- W (X - lr G(X)))
    combine_then_adapt:  X <- W X + (train(X) - X)          (one step: X <- W X - lr G(X))

    with W the mixing matrix and G the stacked gradients of the institutions' own batches. W = I is local training,
    W = J with local steps is federated averaging with equal weights. With a constant lr the fixed point is biased by
    O(lr) unless all institutions agree. `gradient_weights: samples` scales train(X) - X by n p_i, so that W = J is
    federated averaging by examples, and sum_i p_i x_i ends at the optimum of sum_i p_i f_i where that is quadratic.

    Momentum and moments stay local, or with `optimizer_state: mixed` the trained ones are mixed as the models are
    (Adam's step counter stays); their fixed points differ. A message is one row, d parameters, and with mixed states d
    (momentum) or 2 d (Adam) more. With a section `merge` each institution merges the rows of its neighbours and its
    own by that rule, with W's row as weights and its own row as centre; alone, or with
    too few for the rule because others sleep, it keeps what it has.

    Reference: Lian et al., Can decentralized algorithms outperform centralized algorithms?, NeurIPS 2017
    (combine_then_adapt); Sayed, Adaptation, learning, and optimization over networks, 2014 (both orders); Yu, Jin and
    Yang, On the linear speedup analysis of communication efficient momentum SGD, ICML 2019 (mixed momentum).
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    robust: ClassVar[bool] = True
    centres: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic",)
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    order: Literal["adapt_then_combine", "combine_then_adapt"] = Field(
        "adapt_then_combine", description="average the trained models, or train beside averaging"
    )
    optimizer_state: Literal["local", "mixed"] = Field("local", description="momentum and moments: kept, or mixed")

    @model_validator(mode="after")
    def _has_a_state_to_mix(self) -> Self:
        if self.optimizer_state == "mixed" and self.optimizer == "sgd" and not self.momentum:
            raise ValueError(
                "optimizer_state: mixed: sgd without momentum has no state; give momentum, or leave it out"
            )
        return self

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        everyone, kinds, combine = world.institutions, self.shared(world.learner.network), _verb(tick, world)
        before, members = state.members["weights"], world.train(state.members, tick)
        trained = self._counted(members["weights"], before, world)
        if self.order == "adapt_then_combine":
            weights = exchange(combine, trained, trained, everyone, kinds)
        else:
            current = everyone.map(lambda new, old: {**new, "params": old["params"]}, trained, before)
            mixed = exchange(combine, current, current, everyone, kinds)
            weights = everyone.map(_add_change, mixed, trained, before)
        optimizer = self._mixed_state(members["optimizer"], kinds, combine, world)
        return State(everyone.map(lambda w, o: {"weights": w, "optimizer": o}, weights, optimizer))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def _counted(self, trained: Located, before: Located, world) -> Located:
        """X + n p_i (train(X) - X)."""
        if self.gradient_weights == "equal":
            return trained
        everyone = world.institutions
        change = everyone.map(lambda new, old: new["params"] - old["params"], trained, before)
        change = self.weighed(change, everyone, world)
        return everyone.map(lambda w, old, c: {**w, "params": old["params"] + c}, trained, before, change)

    def _mixed_state(self, optimizer: Located, kinds: Shared, combine: Verb, world) -> Located:
        everyone, names = world.institutions, {"sgd": ("momentum",), "adamw": ("mean", "square")}[self.optimizer]
        for name in names if self.optimizer_state == "mixed" else ():
            mixed = exchange_beside(combine, optimizer[name], everyone, kinds)
            optimizer = everyone.map(lambda held, row, name=name: {**held, name: row}, optimizer, mixed)
        return optimizer


def _verb(tick: Tick, world) -> Verb:
    """X <- W X, or at each institution the rule of merging applied to what its neighbours sent."""
    everyone = world.institutions
    if world.merge is None:
        return lambda values, kind: world.net.mix(values, tick, everyone, kind)

    def merge(i: int, rows: dict[int, torch.Tensor]) -> torch.Tensor:
        if not rows[i].is_floating_point() or len(rows) == 1 or world.merge.needs(len(rows)):
            return rows[i]
        return world.merge.merge(torch.stack(list(rows.values())), tick.mixing.row(i)[1], rows[i])

    return lambda values, kind: everyone.each(merge, world.net.collect(values, tick, everyone, kind))


def _add_change(mixed: dict, after: dict, before: dict) -> dict:
    """W X + (train(X) - X); BatchNorm's statistics are mixed, or stay as they were trained."""
    return {**mixed, "params": mixed["params"] + (after["params"] - before["params"])}
