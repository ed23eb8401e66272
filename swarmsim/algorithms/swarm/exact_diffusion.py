"""Exact diffusion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.one_gradient import Lazy
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["ExactDiffusion"]


@dataclass(frozen=True)
class State:
    members: Located  # weights, and psi [d] of the round before


class ExactDiffusion(Lazy):
    """Exact diffusion: adapt, correct, combine; the correction removes the bias of adapt-then-combine.

    adapt:    psi_t = X_t - lr G(X_t)                  (psi_{-1} = X_0)
    correct:  phi_t = psi_t + X_t - psi_{t-1}
    combine:  X_{t+1} = (phi_t + W phi_t) / 2          (lazy: false: X_{t+1} = W phi_t)

    Without the second line it is adapt-then-combine, `swarm/dpsgd`. A constant lr reaches the optimum of the mean
    objective; a change of lr disturbs it until psi is mixed again. With lr constant and the same W it is D2. Needs a
    symmetric W, and with `lazy: false` also a smallest eigenvalue > -1/3 and a W that stays as it is; convergence is
    proved for a fixed W alone. Who sleeps keeps X and psi, so X_t - psi_{t-1} sums to 0 over the institutions in every
    round. W = I, n = 1: local training. A message is one row, d parameters, as in D-PSGD.

    Reference: Yuan, Ying, Zhao and Sayed, Exact diffusion for distributed optimization and learning, part I, IEEE
    Transactions on Signal Processing 2019.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic", "symmetric")
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    lazy: bool = Field(True, description="combine with (I + W) / 2, as published; or with W, if its eigenvalues allow")

    def start(self, world) -> State:
        weights = world.institutions.each(lambda i: world.learner.start()["weights"])
        return State(world.institutions.map(lambda w: {"weights": w, "adapted": w["params"]}, weights))

    def round(self, state: State, tick: Tick, world) -> State:
        lr = world.learner.rates[tick.t]

        def adapt_and_correct(member: dict, gradient: torch.Tensor, weights: dict) -> dict:
            adapted = weights["params"] - lr * gradient
            corrected = adapted + weights["params"] - member["adapted"]
            return {"weights": {**weights, "params": corrected}, "adapted": adapted}

        members = self.stepped(adapt_and_correct, tick, world, state.members)
        weights = self.combined(tick, world, members["weights"])
        return State(world.institutions.map(lambda m, w: {**m, "weights": w}, members, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]
