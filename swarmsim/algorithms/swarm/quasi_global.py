"""Quasi-global momentum."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from pydantic import Field, model_validator

from swarmsim.lazy import torch
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.one_gradient import OneGradient
from swarmsim.local.sharing import exchange
from swarmsim.local.weighting import of_awake
from swarmsim.network.located import Located
from swarmsim.types import Tick

__all__ = ["QuasiGlobal"]


@dataclass(frozen=True)
class State:
    members: Located  # weights, and the momentum m [d]


class QuasiGlobal(OneGradient):
    """Quasi-global momentum: decentralised SGD whose momentum is how the averaged model moves, not the local gradient.

    Y = X - lr (beta M + G(X));  X' = W Y;  M <- mu M + (1 - mu) (X - X') / lr

    with beta the `momentum`, mu the `memory` and M = 0 at first. At the fixed point M = 0: that of adapt-then-combine
    without momentum, where local heavy balls amplify what institutions differ by. beta = 0 is D-PSGD,
    adapt_then_combine. W = I, n = 1, and personal stages, where X' = Y: local training with M the running mean of its
    own steps. M never leaves an institution: a message is one row, d parameters, as in D-PSGD.

    Reference: Lin, Karimireddy, Stich and Jaggi, Quasi-global momentum: accelerating decentralized deep learning on
    heterogeneous data, ICML 2021.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic",)
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    momentum: float = Field(0.9, ge=0, lt=1, description="beta: how much of the momentum is added to a gradient")
    memory: float | None = Field(None, ge=0, lt=1, description="mu: what the momentum keeps; absent: as momentum")

    @model_validator(mode="after")
    def _never_stands_still(self) -> Self:
        if self.lr_schedule.use == "cosine" and not self.lr_schedule.floor:
            raise ValueError(
                "lr_schedule: cosine ends at a learning rate of 0, by which this method divides; give it a floor"
            )
        return self

    def start(self, world) -> State:
        weights = world.institutions.each(lambda i: world.learner.start()["weights"])
        return State(
            world.institutions.map(lambda w: {"weights": w, "momentum": torch.zeros_like(w["params"])}, weights)
        )

    def round(self, state: State, tick: Tick, world) -> State:
        everyone, lr = world.institutions, world.learner.rates[tick.t]
        memory = self.momentum if self.memory is None else self.memory

        def step(member: dict, gradient: torch.Tensor, weights: dict) -> dict:
            params = weights["params"] - lr * (self.momentum * member["momentum"] + gradient)
            return {**member, "weights": {**weights, "params": params}}

        def mix(values: Located, kind: str) -> Located:
            return world.net.mix(values, tick, everyone, kind)

        def remember(momentum: torch.Tensor, before: dict, after: dict) -> torch.Tensor:
            return memory * momentum + (1 - memory) * ((before["params"] - after["params"]) / lr)

        before, adapted = state.members, self.stepped(step, tick, world, state.members)["weights"]
        weights = exchange(mix, adapted, adapted, everyone, self.shared(world.learner.network))
        momentum = of_awake(remember, tick, world, before["momentum"], before["weights"], weights)
        return State(everyone.map(lambda w, m: {"weights": w, "momentum": m}, weights, momentum))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]
