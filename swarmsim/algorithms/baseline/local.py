"""One institution alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from swarmsim.local.obeying import ALONE, PACE, QUORUM, Words, away
from swarmsim.local.training import Training
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["Local"]


@dataclass(frozen=True)
class State:
    members: Located


class Local(Training):
    """Every institution trains alone on its own shard: what it has without anybody's help.

    x_i <- train_i(x_i), nothing crosses the net. All methods with a mixing matrix W = I degenerate to this one.

    Reference: the `single institution` comparator of Chang et al., JAMIA 2018 (arXiv:1709.05929).
    """

    packs: ClassVar[bool] = True
    under: ClassVar[Words] = {**away("nobody notices"), **QUORUM, **PACE}
    refuses: ClassVar[Words] = ALONE

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        return State(world.train(state.members, tick))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]
