"""All examples in one place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarmsim.local.sharing import all_of, exchange
from swarmsim.local.training import Training
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["Pooled"]


@dataclass(frozen=True)
class State:
    server: Located


class Pooled(Training):
    """One model trained on the union of all shards at the server: what hospitals may not do, as an upper mark.

    x <- train(x; union of all D_i). The examples are placed at the server by the experimenter, so the net counts
    nothing. `local_steps` are steps of the one model: give it n times as many to match n institutions' work.

    Reference: the `centrally hosted` comparator of Chang et al., JAMIA 2018 (arXiv:1709.05929).
    """

    packs: ClassVar[bool] = True
    pools: ClassVar[bool] = True

    def servers(self, n: int) -> tuple[str, ...]:
        return ("server",)

    def start(self, world) -> State:
        return State(world.server.each(lambda s: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        return State(world.train(state.server, tick, world.server))

    def models(self, state: State, world) -> Located:
        def deliver(values: Located, kind: str) -> Located:
            return world.net.broadcast(values, world.server, 0, world.institutions, kind)

        institutions, network = world.institutions, world.learner.network
        blank = institutions.each(lambda i: network.initial())
        return exchange(deliver, state.server["weights"], blank, institutions, all_of(network))
