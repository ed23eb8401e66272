"""Cyclical weight transfer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.local.obeying import AT_ONCE, DELIVERED, NO_MIXING, PACE, QUORUM, RESENT, Words, away
from swarmsim.local.sharing import all_of, exchange
from swarmsim.local.training import Training
from swarmsim.local.turns import passed, sender
from swarmsim.network.located import Group, Located
from swarmsim.types import Tick

__all__ = ["Cyclic"]


ROUND = "the model goes on to the next who is there, from the last who had it and is there"
ONCE = "the model goes round once: use down for those whom it does not reach"


@dataclass(frozen=True)
class State:
    members: Located  # what each institution last had
    had: list[int]  # who had the model, the latest last: that one holds it between rounds


class Cyclic(Training):
    """Cyclical weight transfer: one model travels from institution to institution, training at each.

    A round is one cycle: for i = 0..n-1: x <- train_i(x), then x goes on to i + 1, and from the last back to the
    first. Single weight transfer is one cycle (`rounds: 1`); one institution is pooled training. A round moves
    n d parameters, and the optimiser's state too if it is handed over. Who is away (`faults`) has no turn; if it was
    to hold the model, the one before it who is there sends the model as it had it.

    Reference: Chang et al., Distributed deep learning networks among institutions for medical imaging, JAMIA 2018
    (arXiv:1709.05929).
    """

    packs: ClassVar[bool] = False
    under: ClassVar[Words] = {**away(ROUND), **QUORUM, **PACE, **RESENT, **DELIVERED}
    refuses: ClassVar[Words] = {**NO_MIXING, **AT_ONCE, "partitions": ONCE}
    resends: ClassVar[bool] = True

    optimizer_state: Literal["reset", "keep", "handover"] = Field(
        "reset", description="at a new institution: fresh, what it had there the last time, or sent with the weights"
    )

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()), [0])

    def round(self, state: State, tick: Tick, world) -> State:
        there = tick.awake(world.institutions.members)
        for i in there:
            state = self._handed_over(state, there, i, world)
            here, members = world.institutions.only([i]), state.members
            if self.optimizer_state == "reset":
                members |= here.map(self._fresh(world.learner.rule), members)
            state = State(members | world.train(members, tick, here), state.had)
        return self._handed_over(state, there, there[0], world) if there else state

    def models(self, state: State, world) -> Located:
        """The travelling model, as each institution would receive it from its holder."""
        institutions = world.institutions

        def look(values: Located, kind: str) -> Located:
            return world.net.broadcast(values, institutions, state.had[-1], institutions, kind)

        weights = state.members["weights"]
        return exchange(look, weights, weights, institutions, all_of(world.learner.network))

    @staticmethod
    def _fresh(rule):
        return lambda member: {**member, "optimizer": rule.start(member["weights"]["params"])}

    def _handed_over(self, state: State, there: Sequence[int], receiver: int, world) -> State:
        """The model goes to the one whose turn it is, if another has it."""
        src, had = sender(state.had, there, receiver), passed(state.had, receiver)
        if src is None:
            return State(state.members, had)
        only = world.institutions.only
        return State(state.members | self._moved(state.members, only([src]), only([receiver]), world), had)

    def _moved(self, members: Located, here: Group, following: Group, world) -> Located:
        def move(values: Located, kind: str) -> Located:
            return world.net.send(values, here, following, kind, {here.members[0]: following.members[0]})

        kinds = all_of(world.learner.network)
        weights = exchange(move, members["weights"], members["weights"], following, kinds)
        optimizer = members["optimizer"]
        if self.optimizer_state == "handover":
            optimizer = move(optimizer, "optimizer_state")
        return following.map(lambda w, o: {"weights": w, "optimizer": o}, weights, optimizer)
