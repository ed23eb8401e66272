"""Gradient tracking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.one_gradient import Corrected
from swarmsim.local.sharing import exchange, exchange_beside
from swarmsim.local.weighting import of_awake
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["GradientTracking"]


@dataclass(frozen=True)
class State:
    members: Located  # weights, the tracker y [d], and the latest own gradient g [d]


class GradientTracking(Corrected):
    """Gradient tracking: every institution steps along its estimate of the mean gradient of all.

    adapt_then_combine:  Y <- W (Y + G(X) - G);        X <- W (X - lr Y)
    combine_then_adapt:  Y <- W Y + G(X) - G;          X <- W X - lr Y

    then G <- G(X) as it was before the step; Y = G = 0 at first. Y sums to the sum of G over the institutions in every
    round, whoever sleeps and whatever is lost both ways, so that the optimum of the mean objective is reached with
    a constant lr, with any learning rates, and on directed and changing graphs as long as W is doubly stochastic. W
    = I, n = 1: local training. W = J, adapt_then_combine: gradient descent on the mean objective.
    adapt_then_combine stays stable with larger lr; combine_then_adapt may send both rows at once. Two rows cross
    every edge, 2 d numbers: twice the traffic of D-PSGD.

    Reference: Nedic, Olshevsky and Shi, Achieving geometric convergence for distributed optimization over time-varying
    graphs, SIAM Journal on Optimization 2017 (DIGing, combine_then_adapt); Xu, Zhu, Soh and Xie, Augmented distributed
    gradient methods for multi-agent optimization under uncoordinated constant stepsizes, CDC 2015
    (adapt_then_combine); Pu and Nedic, Distributed stochastic gradient tracking methods, Mathematical Programming 2021.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic",)
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    order: Literal["adapt_then_combine", "combine_then_adapt"] = Field(
        "adapt_then_combine", description="mix what was changed, or change what was mixed: trackers and models alike"
    )

    def start(self, world) -> State:
        def begin(weights: dict) -> dict:
            nothing = torch.zeros_like(weights["params"])
            return {"weights": weights, "tracker": nothing, "gradient": nothing}

        return State(world.institutions.map(begin, world.institutions.each(lambda i: world.learner.start()["weights"])))

    def round(self, state: State, tick: Tick, world) -> State:
        everyone, kinds, lr = world.institutions, self.shared(world.learner.network), world.learner.rates[tick.t]

        def mix(values: Located, kind: str) -> Located:
            return world.net.mix(values, tick, everyone, kind)

        def descend(weights: Located, trackers: Located) -> Located:
            return of_awake(lambda w, y: {**w, "params": w["params"] - lr * y}, tick, world, weights, trackers)

        before, tracked = state.members["tracker"], self.stepped(_track, tick, world, state.members)
        if self.order == "adapt_then_combine":
            trackers = exchange_beside(mix, tracked["tracker"], everyone, kinds)
            adapted = descend(tracked["weights"], trackers)
            weights = exchange(mix, adapted, adapted, everyone, kinds)
        else:
            mixed = exchange_beside(mix, before, everyone, kinds)
            trackers = everyone.map(lambda y, new, old: y + (new - old), mixed, tracked["tracker"], before)
            weights = descend(exchange(mix, tracked["weights"], tracked["weights"], everyone, kinds), trackers)
        return State(everyone.map(lambda m, w, y: {**m, "weights": w, "tracker": y}, tracked, weights, trackers))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]


def _track(member: dict, gradient: torch.Tensor, weights: dict) -> dict:
    """Y + G(X) - G, and the gradient that is subtracted next time."""
    return {"weights": weights, "tracker": member["tracker"] + (gradient - member["gradient"]), "gradient": gradient}
