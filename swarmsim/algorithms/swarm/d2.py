"""D2: decentralised training over decentralised data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.one_gradient import Lazy
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["D2"]


@dataclass(frozen=True)
class State:
    members: Located  # weights, and c [d]


class D2(Lazy):
    """D2: decentralised SGD without the bias that differing institutions bring.

    Y = X - lr G(X) - C;  X <- W Y;  C <- C + (Y - W Y), with C = 0 at first. Without C that is

        X_1 = W (X_0 - lr G_0),   X_{t+1} = W (2 X_t - X_{t-1} - lr (G_t - G_{t-1})).

    C sums to 0 over the institutions in every round, whoever sleeps and whatever is lost both ways, and ends at -lr
    G(x*), so a constant lr reaches the optimum of the mean objective; a change of lr disturbs C until it is mixed
    again. Needs a symmetric W with smallest eigenvalue > -1/3 that stays as it is; `lazy` uses (I + W) / 2 instead,
    which needs no more than symmetry, though convergence is proved for a fixed W alone. W = I, n = 1: local
    training. W = J: C holds what the gradients differ by. A message is one row, d parameters, as in D-PSGD.

    Reference: Tang et al., D2: decentralized training over decentralized data, ICML 2018.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic", "symmetric")
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    lazy: bool = Field(False, description="combine with (I + W) / 2: slower, and no eigenvalue is too small")

    def start(self, world) -> State:
        weights = world.institutions.each(lambda i: world.learner.start()["weights"])
        return State(
            world.institutions.map(lambda w: {"weights": w, "correction": torch.zeros_like(w["params"])}, weights)
        )

    def round(self, state: State, tick: Tick, world) -> State:
        lr = world.learner.rates[tick.t]

        def step(member: dict, gradient: torch.Tensor, weights: dict) -> dict:
            params = weights["params"] - lr * gradient - member["correction"]
            return {**member, "weights": {**weights, "params": params}}

        adapted = self.stepped(step, tick, world, state.members)
        weights = self.combined(tick, world, adapted["weights"])
        return State(world.institutions.map(_corrected, adapted, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]


def _corrected(adapted: dict, weights: dict) -> dict:
    """C <- C + (Y - W Y)."""
    lacking = adapted["weights"]["params"] - weights["params"]
    return {"weights": weights, "correction": adapted["correction"] + lacking}
