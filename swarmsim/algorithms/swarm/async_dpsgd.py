"""Asynchronous decentralised SGD with bounded delay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.local.obeying import DELAYED, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.sharing import Averaging, Shared
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["AsyncDpsgd"]


@dataclass(frozen=True)
class State:
    members: Located
    past: Located  # {"params": [most, d], ...}: the models an institution sent in the rounds before, newest first


class AsyncDpsgd(Averaging):
    """Asynchronous decentralised SGD: nobody waits, so neighbours' models arrive up to `max_delay` rounds old.

    y_i(t) = train_i(x_i(t));  x_i(t + 1) = sum_j W_ij y_j(t - a_ij(t)) for those awake, with the ages
    0 <= a_ij <= max_delay that the schedule's clock says (`faults: {delay: ...}`) and a_ii = 0; who sleeps stays as it
    was, and its last model is what others read. Without delays and with everybody awake it is D-PSGD. A round moves
    what one of D-PSGD moves. With `delay: {use: clock}` a round is a stretch of simulated time: awake is who finishes
    training in it, ages follow from speeds and lines, and a model goes to every neighbour when it is finished.

    Reference: Lian et al., Asynchronous decentralized parallel stochastic gradient descent, ICML 2018; Assran and
    Rabbat, Asynchronous gradient push, IEEE Trans. Automatic Control 2021, for the model of bounded delays.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic",)
    under: ClassVar[Words] = {**away("others read its last model"), **QUORUM, **PACE, **LINKS, **DELIVERED, **DELAYED}
    refuses: ClassVar[Words] = {}

    max_delay: int = Field(4, ge=0, le=64, description="oldest model that can arrive, in rounds; so many are kept")

    def start(self, world) -> State:
        members = world.institutions.each(lambda i: world.learner.start())
        past = world.institutions.map(self._nothing, members["weights"])
        return State(members, past)

    def round(self, state: State, tick: Tick, world) -> State:
        everyone, shared = world.institutions, self.shared(world.learner.network)
        trained = world.train(state.members, tick)
        for i in tick.awake(everyone.members) if tick.ends is not None else ():
            world.net.hold(everyone, i, float(tick.ends[i]))
        sent = trained["weights"]
        mixed = {kind: self._mixed(kind, sent, state.past, shared, tick, world) for kind in shared.kinds}

        def put(member: dict, *rows: torch.Tensor) -> dict:
            weights = member["weights"]
            new = {kind: shared.put(kind, weights[kind], row) for kind, row in zip(mixed, rows, strict=True)}
            return {**member, "weights": {**weights, **new}}

        past = everyone.map(self._pushed, state.past, sent)
        return State(everyone.map(put, trained, *mixed.values()), past)

    def _mixed(self, kind: str, sent: Located, past: Located, shared: Shared, tick: Tick, world) -> Located:
        """One kind of rows of the neighbours, as old as the tick says, mixed."""
        now = sent[kind].map(lambda row: shared.pick(kind, row))
        older = [past[kind].map(lambda rows, k=k: shared.pick(kind, rows[..., k, :])) for k in range(self.max_delay)]
        return world.net.mix(now, tick, world.institutions, "weights" if kind == "params" else "buffers", older)

    def _pushed(self, past: dict, sent: dict) -> dict:
        """The past one round later: what was sent now in front, the oldest left out."""
        if not self.max_delay:
            return past
        return {kind: torch.cat([sent[kind].unsqueeze(-2), rows[..., :-1, :]], -2) for kind, rows in past.items()}

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def _nothing(self, weights: dict) -> dict:
        """Before the first round, everybody's past is how everybody started."""
        return (
            {kind: torch.stack([row] * self.max_delay, -2) for kind, row in weights.items()} if self.max_delay else {}
        )
