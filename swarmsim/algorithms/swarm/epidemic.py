"""Epidemic learning."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.algorithms.swarm._mixings import means
from swarmsim.local.obeying import AT_ONCE, DELIVERED, NO_MIXING, PACE, QUORUM, RESENT, Words, away
from swarmsim.local.sharing import Averaging, exchange
from swarmsim.network.located import Located
from swarmsim.rng import stream
from swarmsim.types import InputError, Tick

__all__ = ["Epidemic"]


@dataclass(frozen=True)
class State:
    members: Located


class Epidemic(Averaging):
    """Epidemic learning: every round each model goes to other random institutions, and whoever hears averages.

    x_i <- train_i(x_i);  x_i <- mean of x_i and the x_j that i hears from in this round.

    local: each institution sends to s others of its own choice. Some hear more than others and nobody needs to agree,
    but W is row-stochastic only, so the mean drifts. It contracts the expected square distance from the mean by
    (1/s) (1 - (1 - s/(n-1))^n) - 1/(n-1).
    oracle: everybody agrees on a random s-regular directed graph: institutions stand on a circle in random order and
    hear from those at s random distances. W is doubly stochastic, and contracts by (1/(s+1)) (1 - s/(n-1)), the rate of
    any random graph in which everybody hears from s others, all institutions being alike.
    s = n - 1 is swarm/dpsgd on the complete graph. Choices are made among those awake; where these are s or fewer,
    everybody hears from all others. No topology is used. Optimisers stay where they are.

    In a round cross n s d numbers.

    Reference: de Vos et al., Epidemic learning: Boosting decentralized learning with randomized communication, NeurIPS
    2023 (there the s-regular graph is undirected).
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    under: ClassVar[Words] = {**away("the others choose among those awake"), **QUORUM, **PACE, **RESENT, **DELIVERED}
    refuses: ClassVar[Words] = {**NO_MIXING, **AT_ONCE, "partitions": "everybody may choose everybody: no links to cut"}
    resends: ClassVar[bool] = True

    fanout: int = Field(ge=1, description="s: to how many others each model is sent in a round")
    choice: Literal["local", "oracle"] = Field(
        "local", description="local: each sender chooses for itself; oracle: everybody hears from equally many"
    )

    def check_names(self, names: Sequence[str]) -> None:
        """Raises InputError where there are not so many others."""
        if self.fanout >= len(names):
            others = len(names) - 1
            way_out = f"write fanout: 1 to {others}" if others else "use baseline/local"
            raise InputError(f"fanout: {self.fanout} others are to hear a model, and there are {others}; {way_out}")

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()))

    def phase(self, t: int, rounds: int) -> Hashable:
        return t  # others hear in every round

    def round(self, state: State, tick: Tick, world) -> State:
        institutions = world.institutions
        heard = self.heard(tick, len(institutions.members), world.learner.seed)
        spread = replace(tick, mixing=means(heard), lost=(), ages=None)

        def mix(values: Located, kind: str) -> Located:
            return world.net.mix(values, spread, institutions, kind)

        trained = world.train(state.members, tick)
        kinds = self.shared(world.learner.network)
        weights = exchange(mix, trained["weights"], trained["weights"], institutions, kinds)
        return State(institutions.map(lambda m, w: {**m, "weights": w}, trained, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def heard(self, tick: Tick, n: int, seed: int) -> list[list[int]]:
        """From whom each institution hears in this round."""
        awake, heard = tick.awake(range(n)), [[] for _ in range(n)]
        s = min(self.fanout, len(awake) - 1)
        if s < 1:
            return heard
        if self.choice == "local":
            for j in awake:
                others = [i for i in awake if i != j]
                for i in stream(seed, "epidemic", tick.t, j).choice(others, s, replace=False).tolist():
                    heard[i].append(j)
            return heard
        rng = stream(seed, "epidemic", tick.t)
        circle = rng.permutation(awake).tolist()
        for distance in (1 + rng.choice(len(awake) - 1, s, replace=False)).tolist():
            for place, i in enumerate(circle):
                heard[i].append(circle[place - distance])
        return heard
