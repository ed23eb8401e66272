"""Late merging."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pydantic import Field, model_validator

from swarmsim.algorithms.swarm._mixings import average_of
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.sharing import Averaging, exchange
from swarmsim.network.located import Located
from swarmsim.types import InputError, Tick

__all__ = ["LateMerge"]


@dataclass(frozen=True)
class State:
    members: Located


class LateMerge(Averaging):
    """Late merging: institutions train alone for most of the run, and spend their messages at its end.

    X <- train(X)       before round `from_round`
    X <- W train(X)     from then on (swarm/dpsgd)
    X <- J train(X)     in the last round, with `final`: one merge of everybody with everybody, J = 1/n

    from_round: 1 is swarm/dpsgd; neither of the two would be baseline/local. Only who is awake in the last round is in
    the final merge, which uses no topology: each model goes to all others, and all of it arrives. Optimisers stay
    where they are.

    In a round cross 0, or d numbers over each link of the topology; in a final merge n (n - 1) d.

    Reference: Zhu et al., On the surprising effectiveness of a single global merging in decentralized learning, ICLR
    2026, arXiv:2507.06542 (the final merge, and communication that is concentrated in late rounds).
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic",)
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    from_round: int | None = Field(
        None, ge=1, description="the first round with merges; absent: none but the final one"
    )
    final: bool = Field(False, description="merge everybody with everybody in the last round")

    @model_validator(mode="after")
    def _merges_some_time(self) -> Self:
        if self.from_round is None and not self.final:
            raise ValueError(
                "without from_round and final nothing is ever merged: give one of them, or use baseline/local"
            )
        return self

    def requirements(self) -> tuple[str, ...]:
        return self.needs if self.from_round is not None else ()

    def start(self, world) -> State:
        rounds = len(world.learner.rates)
        if self.from_round is not None and self.from_round > rounds:
            raise InputError(
                f"from_round: {self.from_round} is behind the last round {rounds}; leave it out or run longer"
            )
        return State(world.institutions.each(lambda i: world.learner.start()))

    def phase(self, t: int, rounds: int) -> Hashable:
        return self.from_round is not None and t + 1 >= self.from_round, self.final and t + 1 == rounds

    def round(self, state: State, tick: Tick, world) -> State:
        institutions = world.institutions
        trained = world.train(state.members, tick)
        merge = self._merge(tick, institutions.members, len(world.learner.rates))
        if merge is None:
            return State(trained)

        def mix(values: Located, kind: str) -> Located:
            return world.net.mix(values, merge, institutions, kind)

        kinds = self.shared(world.learner.network)
        weights = exchange(mix, trained["weights"], trained["weights"], institutions, kinds)
        return State(institutions.map(lambda m, w: {**m, "weights": w}, trained, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def _merge(self, tick: Tick, members: Sequence[int], rounds: int) -> Tick | None:
        """The tick by which models are merged in this round, if they are."""
        if self.final and tick.t + 1 == rounds:
            return replace(tick, mixing=average_of(set(tick.awake(members)), len(members)), lost=(), ages=None)
        return tick if self.from_round is not None and tick.t + 1 >= self.from_round else None
