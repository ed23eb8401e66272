"""Federated averaging."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.local.merging import merged_at
from swarmsim.local.obeying import DELIVERED, PACE, QUORUM, RESENT, SERVED, Words, away
from swarmsim.local.sharing import Averaging, exchange, shares
from swarmsim.network.located import Group, Located
from swarmsim.types import Tick

__all__ = ["Fedavg"]


@dataclass(frozen=True)
class State:
    server_weights: Located  # the global model
    members: Located  # what institutions keep: their optimiser, and BatchNorm's statistics if those stay local


class Fedavg(Averaging):
    """Federated averaging: the server sends the model out, institutions train, the server averages.

    x_i <- train_i(x);  x <- sum_i p_i x_i, with p_i = N_i / N (`weights: samples`) or 1 / n (`equal`).
    One full-batch step is gradient descent on the pooled data; n = 1 is local training. A round moves 2 n d
    parameters. Who sleeps (`faults`) takes no part in the round; p is that of the others. Without the server there is
    no round. Section `merge` replaces the mean by a robust rule, centred at nothing.

    Reference: McMahan et al., Communication-efficient learning of deep networks from decentralized data, AISTATS 2017.
    """

    packs: ClassVar[bool] = True
    robust: ClassVar[bool] = True
    under: ClassVar[Words] = {
        **away("the average is that of the others", "nobody gets the model, so nobody trains"),
        **QUORUM, **PACE, **RESENT, **DELIVERED,
    }  # fmt: skip
    refuses: ClassVar[Words] = SERVED
    resends: ClassVar[bool] = True

    weights: Literal["samples", "equal"] = Field("samples", description="what an institution's model counts for")
    optimizer_state: Literal["reset", "keep"] = Field("reset", description="an institution's optimiser at a new round")

    def servers(self, n: int) -> tuple[str, ...]:
        return ("server",)

    def start(self, world) -> State:
        server = world.server.each(lambda s: world.learner.start()["weights"])
        return State(server, world.institutions.each(lambda i: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        learner, who = world.learner, tick.awake(world.institutions.members)
        if not who or tick.servers_down:
            return state
        awake, p = world.institutions.only(who), shares(self.weights, [world.sizes[i] for i in who])

        def average(values: Located, kind: str) -> Located:
            return merged_at(world.net, world.merge, values, p, awake, world.server, 0, kind)

        def begin(member: dict, weights: dict) -> dict:
            fresh = self.optimizer_state == "reset"
            return {
                "weights": weights,
                "optimizer": learner.rule.start(weights["params"]) if fresh else member["optimizer"],
            }

        begun = awake.map(begin, state.members, self._sent_out(state, awake, world))
        trained = world.train(begun, tick, awake)
        shared = self.shared(learner.network)
        server = exchange(average, trained["weights"], state.server_weights, world.server, shared)
        everybody = len(who) == len(world.institutions.members)
        return State(server, trained if everybody else state.members | trained)

    def models(self, state: State, world) -> Located:
        """The global model as it arrives at each institution."""
        return self._sent_out(state, world.institutions, world)

    def _sent_out(self, state: State, group: Group, world) -> Located:
        def send_out(values: Located, kind: str) -> Located:
            return world.net.broadcast(values, world.server, 0, group, kind)

        return exchange(
            send_out, state.server_weights, state.members["weights"], group, self.shared(world.learner.network)
        )
