"""CHOCO-SGD."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from swarmsim.local.obeying import AT_ONCE, DELIVERED, PACE, RESENT, Words
from swarmsim.local.sharing import Averaging, exchange
from swarmsim.network.located import Located
from swarmsim.rng import stream
from swarmsim.types import Tick
from swarmsim.wire.compressor import Compressor

__all__ = ["Choco"]


GONE = ("participation", "churn", "down", "quorum", "partitions", "lost_weight")


@dataclass(frozen=True)
class State:
    members: Located
    public: Located  # xhat_i [d]: what its neighbours know of each model
    sums: Located  # s_i [d] = sum_j w_ij xhat_j


class Choco(Averaging):
    """CHOCO-SGD: gossip with compressed messages, and with what compression left out kept for the next ones.

    x_i <- train_i(x_i)
    q_i = Q(x_i - xhat_i)                               crosses every link of i
    xhat_i <- xhat_i + q_i,  s_i <- s_i + sum_j w_ij q_j
    x_i <- x_i + gamma (s_i - xhat_i)

    from xhat_i = s_i = 0, so s_i = sum_j w_ij xhat_j although no xhat_j is kept. The mean of all models is kept by any
    Q and gamma, since columns of W sum to 1. Without compression and with gamma 1 this is swarm/dpsgd. Q must be a
    contraction, as all compressors but the unbiased ones are; random_k with scaled and quantised with few bits need a
    smaller gamma. A gamma that is too large for Q diverges. W must be the same in all rounds, everybody awake, and
    every message must arrive, or s_i is no sum of what neighbours have and the mean is not kept: who sleeps stays as it
    was, but of `faults` only those are obeyed under which nobody does, and lost messages are sent again. BatchNorm's
    statistics cross uncompressed. Momentum stays local.

    Over each link cross the bytes of one compressed row: top_k 2 k numbers (indices are int32), random_k k, sign d
    bits and quantised d times `bits` bits, each with one number.

    Reference: Koloskova, Stich and Jaggi, Decentralized stochastic optimization and gossip algorithms with compressed
    communication, ICML 2019 (CHOCO-SGD, in the form that needs 3 d numbers of memory).
    """

    packs: ClassVar[bool] = False
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic", "static")
    under: ClassVar[Words] = {**PACE, **RESENT, **DELIVERED}
    refuses: ClassVar[Words] = {**AT_ONCE, **dict.fromkeys(GONE, "what neighbours know of each other would be wrong")}
    resends: ClassVar[bool] = True

    gamma: float = Field(
        gt=0, le=1, description="consensus step size; the smaller, the more is left out by compression"
    )
    compressor: Compressor = Field(description="{use: identity | top_k | random_k | sign | quantised, ...}")

    def start(self, world) -> State:
        members, shared = world.institutions.each(lambda i: world.learner.start()), self.shared(world.learner.network)
        nothing = members.map(lambda m: 0 * shared.pick("params", m["weights"]["params"]))
        return State(members, nothing, nothing)

    def round(self, state: State, tick: Tick, world) -> State:
        institutions, shared = world.institutions, self.shared(world.learner.network)
        awake = institutions.only(tick.awake(institutions.members))
        trained = world.train(state.members, tick)

        def draws(j: int) -> np.random.Generator:
            return stream(world.learner.seed, "wire", tick.t, j)

        def compressed(i: int, weights: dict, public: Any) -> dict:
            return self.compressor.compress(shared.pick("params", weights["params"]) - public, draws(i))

        def gossip(i: int, weights: dict, public: Any, sums: Any, arrived: dict[int, dict]) -> dict:
            changes = {j: self.compressor.restore(tree, len(public), draws(j)) for j, tree in arrived.items()}
            public = public + changes[i]
            for j, w in zip(*(part.tolist() for part in tick.mixing.row(i)), strict=True):
                sums = sums + w * changes[j]
            row = shared.pick("params", weights["params"]) + self.gamma * (sums - public)
            new = shared.put("params", weights["params"], row)
            return {"weights": {**weights, "params": new}, "public": public, "sums": sums}

        def mix(values: Located, kind: str) -> Located:
            return world.net.mix(values, tick, institutions, kind)

        sent = awake.each(compressed, trained["weights"], state.public)
        arrived = world.net.collect(sent, tick, awake, "weights")
        after = awake.each(gossip, trained["weights"], state.public, state.sums, arrived)
        gossiped = trained["weights"] | after["weights"]
        weights = exchange(mix, gossiped, gossiped, institutions, replace(shared, kinds=shared.kinds[1:]))
        members = institutions.map(lambda m, w: {**m, "weights": w}, trained, weights)
        return State(members, state.public | after["public"], state.sums | after["sums"])

    def models(self, state: State, world) -> Located:
        return state.members["weights"]
