"""Stochastic gradient push."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.sharing import Averaging, exchange
from swarmsim.local.weighting import of_awake
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["PushSum"]


MASS = {"lost_weight": "sender, so that all masses sum to n; self is refused, since no column of W would sum to 1"}


@dataclass(frozen=True)
class State:
    members: Located  # with the models z
    masses: Located  # the push-sum weights w [1]


class PushSum(Averaging):
    """Stochastic gradient push: averaging over directed links, which no weights of a receiver could do alone.

    x_i <- w_i z_i + (train_i(z_i) - z_i)      (one step: x_i <- w_i z_i - lr g_i(z_i))
    x <- W x,  w <- W w,  z_i <- x_i / w_i

    with W column-stochastic: senders divide what they have among those they reach. z_i are the models, w_i = 1 at the
    start, and the w_i sum to n in every round. BatchNorm's statistics are treated as models: w_i b_i crosses. Doubly
    stochastic W: w_i stays 1, and this is swarm/dpsgd. Without gradients z_i tends to the mean of all models; a matrix
    whose rows sum to 1 would weigh them by its Perron vector instead. With a constant lr the fixed point is biased by
    O(lr), but its mean over the institutions is not. Momentum buffers stay local.

    Over each link cross d + 1 numbers: x_j, and w_j as `control`.

    Reference: Kempe, Dobra and Gehrke, Gossip-based computation of aggregate information, FOCS 2003 (push-sum); Assran
    et al., Stochastic gradient push for distributed deep learning, ICML 2019.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("column_stochastic",)
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED, **MASS}
    refuses: ClassVar[Words] = AT_ONCE

    def start(self, world) -> State:
        members = world.institutions.each(lambda i: world.learner.start())
        return State(members, members.map(lambda m: m["weights"]["params"].new_ones(1)))

    def round(self, state: State, tick: Tick, world) -> State:
        institutions, net = world.institutions, world.net
        trained = world.train(state.members, tick)
        masses = net.mix(state.masses, tick, institutions, "control")

        def push(values: Located, kind: str) -> Located:
            return institutions.map(_divided, net.mix(values, tick, institutions, kind), masses)

        x = institutions.map(_numerators, trained["weights"], state.members["weights"], state.masses)
        weights = exchange(push, x, trained["weights"], institutions, self.shared(world.learner.network))
        return State(of_awake(lambda m, w: {**m, "weights": w}, tick, world, trained, weights), masses)

    def models(self, state: State, world) -> Located:
        return state.members["weights"]


def _numerators(after: dict, before: dict, mass: torch.Tensor) -> dict:
    """x = w z + (z' - z), written so that nothing is rounded where w is 1; w b; counters as they are."""
    return {
        **after,
        "params": after["params"] + (mass - 1) * before["params"],
        "buffers": mass * after["buffers"],
    }


def _divided(row: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    return row / mass if row.is_floating_point() else row
