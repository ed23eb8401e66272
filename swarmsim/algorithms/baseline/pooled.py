"""All examples in one place."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.local.obeying import ALONE, PACE, QUORUM, Words, away
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
    nothing. Where institutions are away in a round (`faults`), the pool are the others' examples. `local_steps` are
    steps of the one model: give it n times as many to match n institutions' work.

    Reference: the `centrally hosted` comparator of Chang et al., JAMIA 2018 (arXiv:1709.05929).
    """

    packs: ClassVar[bool] = True
    pools: ClassVar[bool] = True
    under: ClassVar[Words] = {**away("the others' examples alone are trained on", "nothing happens"), **QUORUM}
    refuses: ClassVar[Words] = {**ALONE, **dict.fromkeys(PACE, "the server computes, and no institution")}

    def servers(self, n: int) -> tuple[str, ...]:
        return ("server",)

    def start(self, world) -> State:
        return State(world.server.each(lambda s: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        who = tick.awake(world.institutions.members)
        if tick.servers_down or not who:
            return state
        if len(who) < len(world.institutions.members):
            world, pool = copy(world), world.pool
            world.pool = pool.map(lambda examples: _of(examples, who, world.sizes))
        return State(world.train(state.server, tick, world.server))

    def models(self, state: State, world) -> Located:
        def deliver(values: Located, kind: str) -> Located:
            return world.net.broadcast(values, world.server, 0, world.institutions, kind)

        institutions, network = world.institutions, world.learner.network
        blank = institutions.each(lambda i: network.initial())
        return exchange(deliver, state.server["weights"], blank, institutions, all_of(network))


def _of(examples: tuple, who: Sequence[int], sizes: Sequence[int]) -> tuple:
    """The examples of some institutions among all, which lie one institution behind the other."""
    x, y = (side.split(list(sizes)) for side in examples)
    return tuple(torch.cat([pieces[i] for i in who]) for pieces in (x, y))
