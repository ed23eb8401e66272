"""Pairwise gossip."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from swarmsim.algorithms.swarm._mixings import mixing_of
from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.sharing import Averaging, exchange
from swarmsim.network.located import Located
from swarmsim.rng import stream
from swarmsim.types import Tick

__all__ = ["Pairwise"]

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class State:
    members: Located


class Pairwise(Averaging):
    """Pairwise gossip: everybody trains, then institutions that meet exchange models and take the mean of the two.

    x_i <- train_i(x_i);  x_i, x_j <- (x_i + x_j) / 2 for every pair (i, j) that meets.

    Pairs are links of the topology that carry both ways; its weights are not used. one: an institution, drawn
    uniformly of those with a neighbour, meets a neighbour drawn uniformly. matching: links in random order, each taken
    if both ends are free. On the complete graph one pair contracts E sum ||x_i - xbar||^2 by 1 - 1/(n-1), a matching
    of even n by (n-2)/(2(n-1)). Where a message of a pair is lost, both keep their models, so the mean is kept. Two
    institutions are swarm/dpsgd on them. Optimisers stay where they are.

    A pair exchanges 2 d numbers: in a round 2 d (one), at most n d (matching).

    Reference: Boyd et al., Randomized gossip algorithms, IEEE Transactions on Information Theory 2006.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("symmetric",)
    under: ClassVar[Words] = {**away("the others mix without it"), **QUORUM, **PACE, **LINKS, **DELIVERED}
    refuses: ClassVar[Words] = AT_ONCE

    pairs: Literal["one", "matching"] = Field("matching", description="one pair a round, or as many as fit at once")

    def start(self, world) -> State:
        return State(world.institutions.each(lambda i: world.learner.start()))

    def phase(self, t: int, rounds: int) -> Hashable:
        return t  # other pairs meet in every round

    def round(self, state: State, tick: Tick, world) -> State:
        institutions, meetings = world.institutions, self.meetings(tick, world.learner.seed)

        def meet(values: Located, kind: str) -> Located:
            return world.net.mix(values, meetings, institutions, kind)

        trained = world.train(state.members, tick)
        kinds = self.shared(world.learner.network)
        weights = exchange(meet, trained["weights"], trained["weights"], institutions, kinds)
        return State(institutions.map(lambda m, w: {**m, "weights": w}, trained, weights))

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def meetings(self, tick: Tick, seed: int) -> Tick:
        """The tick in which only the pairs of this round talk."""
        links, rng = _links(tick), stream(seed, "pairs", tick.t)
        pairs = (_one if self.pairs == "one" else _matching)(links, rng) if len(links) else []
        rows, lost = [{i: 1.0} for i in range(tick.mixing.n)], set(tick.lost)
        for i, j in pairs:
            fails = (i, j) in lost or (j, i) in lost
            for src, dst in ((i, j), (j, i)):
                if not fails:
                    rows[dst] = {dst: 0.5, src: 0.5}
                elif (src, dst) not in lost:
                    rows[dst] = {dst: 1.0, src: 0.0}  # it arrives, and is not used
        met = {both for i, j in pairs for both in ((i, j), (j, i))}
        return replace(tick, mixing=mixing_of(rows), lost=tuple(each for each in tick.lost if each in met))


def _links(tick: Tick) -> np.ndarray:
    """Pairs i < j [m, 2] over which messages are sent both ways in this round, whether or not they arrive."""
    mixing, n = tick.mixing, tick.mixing.n
    lost = np.array(tick.lost, dtype=np.int64).reshape(-1, 2)
    src = np.concatenate([mixing.columns, lost[:, 0]])
    dst = np.concatenate([np.repeat(np.arange(n), np.diff(mixing.starts)), lost[:, 1]])
    there = (src * n + dst)[src < dst]
    return np.stack(np.divmod(np.intersect1d(there, (dst * n + src)[src > dst]), n), 1)


def _one(links: np.ndarray, rng: np.random.Generator) -> Pairs:
    caller = rng.choice(np.unique(links))
    return [tuple(rng.choice(links[(links == caller).any(1)]).tolist())]


def _matching(links: np.ndarray, rng: np.random.Generator) -> Pairs:
    taken, pairs = set(), []
    for i, j in links[rng.permutation(len(links))].tolist():
        if i not in taken and j not in taken:
            taken |= {i, j}
            pairs.append((i, j))
    return pairs
