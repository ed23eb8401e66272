"""D-SGD with clique averaging."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import ClassVar

from pydantic import Field

from swarmsim.algorithms.swarm._mixings import means
from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.one_gradient import OneGradient
from swarmsim.local.sharing import exchange, exchange_beside
from swarmsim.local.weighting import of_awake
from swarmsim.network.located import Located
from swarmsim.types import InputError, Tick

__all__ = ["DCliques"]


@dataclass(frozen=True)
class State:
    members: Located  # weights, and the momentum v [d]


class DCliques(OneGradient):
    """D-SGD with clique averaging: gradients are averaged within cliques, models over the whole topology.

    g_i = mean over the clique of i of grad f_j(x_j; batch_j)
    v_i <- momentum v_i + g_i;  x_i <- x_i - lr v_i;  X <- W X

    Where the classes of a clique are those of everybody, its mean gradient is free of the bias of one institution's.
    Cliques of one are swarm/dpsgd; one clique with W = J is gradient descent on all shards, each counting the same. A
    clique means those of it who are awake, and whose message arrives. The topology d_cliques makes such groups: give
    them here too. Momentum is that of the averaged gradients and stays local.

    In a round cross d numbers over each ordered pair of a clique, as `optimizer_state`, and d over each link.

    Reference: Bellet, Kermarrec and Lavoie, D-Cliques: Compensating for data heterogeneity with topology in
    decentralized federated learning, arXiv:2104.07365.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic",)
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    cliques: tuple[tuple[int, ...], ...] = Field(
        min_length=1, description="the groups, by the institutions' numbers from 0; each is in one"
    )

    def check_names(self, names: Sequence[str]) -> None:
        """Raises InputError unless each institution is in one clique."""
        named, n = sorted(chain.from_iterable(self.cliques)), len(names)
        if named != list(range(n)):
            raise InputError(f"cliques: each of the numbers 0 to {n - 1} belongs in one of them; given: {self.cliques}")

    def start(self, world) -> State:
        def begin(weights: dict) -> dict:
            return {"weights": weights, "momentum": torch.zeros_like(weights["params"])}

        return State(world.institutions.map(begin, world.institutions.each(lambda i: world.learner.start()["weights"])))

    def round(self, state: State, tick: Tick, world) -> State:
        everyone, net, shared = world.institutions, world.net, self.shared(world.learner.network)
        clique, lr = self._clique(tick, len(everyone.members)), world.learner.rates[tick.t]

        def within(values: Located, kind: str) -> Located:
            return net.mix(values, clique, everyone, kind)

        def across(values: Located, kind: str) -> Located:
            return net.mix(values, tick, everyone, kind)

        def descend(member: dict, slope: torch.Tensor) -> dict:
            momentum, weights = self.momentum * member["momentum"] + slope, member["weights"]
            return {"weights": {**weights, "params": weights["params"] - lr * momentum}, "momentum": momentum}

        still = everyone.map(lambda m: {**m, "slope": torch.zeros_like(m["momentum"])}, state.members)
        found = self.stepped(lambda m, g, w: {**m, "weights": w, "slope": g}, tick, world, still)
        slopes = exchange_beside(within, found["slope"], everyone, shared)
        moved = everyone.map(lambda m, f: {**m, "weights": f["weights"]}, state.members, found)
        stepped = of_awake(descend, tick, world, moved, slopes)
        weights = exchange(across, stepped["weights"], stepped["weights"], everyone, shared)
        return State(everyone.map(lambda m, w: {**m, "weights": w}, stepped, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def _clique(self, tick: Tick, n: int) -> Tick:
        """The tick in which everybody hears from its clique."""
        of = {i: clique for clique in self.cliques for i in clique}
        there, lost = set(tick.awake(range(n))), {(src, dst) for src, dst in tick.lost if src in of[dst]}
        heard = [[j for j in of[i] if {i, j} <= there and (j, i) not in lost] for i in range(n)]
        return replace(tick, mixing=means(heard), lost=tuple(sorted(lost)), ages=None)
