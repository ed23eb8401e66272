"""EXTRA."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.one_gradient import Corrected
from swarmsim.local.sharing import exchange
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["Extra"]


@dataclass(frozen=True)
class State:
    members: Located  # weights, and c [d]


class Extra(Corrected):
    """EXTRA: combine-then-adapt with a correction that adds up all earlier disagreement.

    X' = W X - lr G(X) - C;  C <- C + (X - W X) / 2, with C = 0 at first. Without C that is, with W~ = (I + W) / 2,

        X_1 = W X_0 - lr G_0,   X_{t+2} = (I + W) X_{t+1} - W~ X_t - lr (G_{t+1} - G_t).

    Without the correction it is combine-then-adapt, `swarm/dpsgd`. C sums to 0 over the institutions in every round,
    whoever sleeps and whatever is lost both ways, and ends at -lr G(x*), so a constant lr reaches the optimum of
    the mean objective; a change of lr disturbs C until it is mixed again. Needs a symmetric W with smallest
    eigenvalue > -1; for L-smooth objectives lr < (1 + lambda_min) / L is safe. Convergence is proved for a fixed W
    alone. W = I, n = 1: local training. A message is one row, d parameters, as in D-PSGD.

    Reference: Shi, Ling, Wu and Yin, EXTRA: an exact first-order algorithm for decentralized consensus optimization,
    SIAM Journal on Optimization 2015.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic", "symmetric")
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    def start(self, world) -> State:
        weights = world.institutions.each(lambda i: world.learner.start()["weights"])
        return State(
            world.institutions.map(lambda w: {"weights": w, "correction": torch.zeros_like(w["params"])}, weights)
        )

    def round(self, state: State, tick: Tick, world) -> State:
        everyone, lr = world.institutions, world.learner.rates[tick.t]

        def step(member: dict, gradient: torch.Tensor, weights: dict) -> dict:
            params = weights["params"] - lr * gradient - member["correction"]
            return {**member, "weights": {**weights, "params": params}}

        def mix(values: Located, kind: str) -> Located:
            return world.net.mix(values, tick, everyone, kind)

        before, moved = state.members["weights"], self.stepped(step, tick, world, state.members)
        current = everyone.map(lambda new, old: {**new, "params": old["params"]}, moved["weights"], before)
        mixed = exchange(mix, current, current, everyone, self.shared(world.learner.network))
        return State(everyone.map(_corrected, moved, mixed, before))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]


def _corrected(moved: dict, mixed: dict, before: dict) -> dict:
    """W X + what the step changed, and C <- C + (X - W X) / 2."""
    params = mixed["params"] + (moved["weights"]["params"] - before["params"])
    correction = moved["correction"] + (before["params"] - mixed["params"]) / 2
    return {"weights": {**mixed, "params": params}, "correction": correction}
