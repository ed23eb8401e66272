"""Cyclical weight transfer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.local.sharing import all_of, exchange
from swarmsim.local.training import Training
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["Cyclic"]


@dataclass(frozen=True)
class State:
    members: Located  # institution 0 holds the model between rounds; the others what they last had


class Cyclic(Training):
    """Cyclical weight transfer: one model travels from institution to institution, training at each.

    A round is one cycle: for i = 0..n-1: x <- train_i(x), then x goes on to i + 1, and from the last back to the
    first. Single weight transfer is one cycle (`rounds: 1`); one institution is pooled training. A round moves
    n d parameters, and the optimiser's state too if it is handed over.

    Reference: Chang et al., Distributed deep learning networks among institutions for medical imaging, JAMIA 2018
    (arXiv:1709.05929).
    """

    optimizer_state: Literal["reset", "keep", "handover"] = Field(
        "reset", description="at a new institution: fresh, what it had there the last time, or sent with the weights"
    )
    packs: ClassVar[bool] = False

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()))

    def round(self, state: State, tick: Tick, world) -> State:
        members, n = state.members, len(world.institutions.members)
        for i in range(n):
            here, following = world.institutions.only([i]), world.institutions.only([(i + 1) % n])
            if self.optimizer_state == "reset":
                members |= here.map(self._fresh(world.learner.rule), members)
            members |= world.train(members, tick, here)
            members |= self._hand_over(members, here, following, world)
        return State(members)

    def models(self, state: State, world) -> Located:
        """The travelling model, as each institution would receive it from the first."""
        institutions = world.institutions

        def look(values: Located, kind: str) -> Located:
            return world.net.broadcast(values, institutions, 0, institutions, kind)

        weights = state.members["weights"]
        return exchange(look, weights, weights, institutions, all_of(world.learner.network))

    @staticmethod
    def _fresh(rule):
        return lambda member: {**member, "optimizer": rule.start(member["weights"]["params"])}

    def _hand_over(self, members: Located, here, following, world) -> Located:
        def move(values: Located, kind: str) -> Located:
            return world.net.send(values, here, following, kind, {here.members[0]: following.members[0]})

        kinds = all_of(world.learner.network)
        weights = exchange(move, members["weights"], members["weights"], following, kinds)
        optimizer = members["optimizer"]
        if self.optimizer_state == "handover":
            optimizer = move(optimizer, "optimizer_state")
        return following.map(lambda w, o: {"weights": w, "optimizer": o}, weights, optimizer)
