"""Leader merge: the protocol of hospital swarms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.local.sharing import Averaging, exchange, shares
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["LeaderMerge"]


@dataclass(frozen=True)
class State:
    members: Located


class LeaderMerge(Averaging):
    """Leader merge: every round another institution leads, collects all models, merges them and sends them back.

    x_i <- train_i(x_i);  x_i <- sum_j p_j x_j at the leader t mod n, with p_j = N_j / N or 1 / n.

    The quorum is everybody. The mathematics is that of federated averaging without a server; the traffic is
    2 (n - 1) d parameters a round, all of it through the leader. Optimisers stay where they are.

    Reference: Warnat-Herresthal et al., Swarm Learning for decentralized and confidential clinical machine learning,
    Nature 2021.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True

    weights: Literal["samples", "equal"] = Field("samples", description="what an institution's model counts for")

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        institutions, p = world.institutions, shares(self.weights, world.sizes)
        leader = tick.t % len(institutions.members)

        def merge(values: Located, kind: str) -> Located:
            merged = world.net.average(values, p, institutions, institutions, leader, kind)
            return world.net.broadcast(merged, institutions, leader, institutions, kind)

        trained = world.train(state.members, tick)
        kinds = self.shared(world.learner.network)
        weights = exchange(merge, trained["weights"], trained["weights"], institutions, kinds)
        world.report_merge(tick, institutions.names[leader], institutions.names, "all contributed")
        return State(institutions.map(lambda m, w: {**m, "weights": w}, trained, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]
