"""Random matching."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.rng import stream
from swarmsim.topology.base import Varying
from swarmsim.topology.graphs import institutions, undirected_graph
from swarmsim.types import InputError

__all__ = ["RandomMatching"]


class RandomMatching(Varying):
    """Random matching: every round pairs institutions anew, uniformly at random, and the two of a pair average.

    A round of n/2 pairs leaves (n - 2)/(2(n - 1)) of the disagreement, sum ||x_i - mean||^2, in expectation (n even);
    `pairs: 1` is classical gossip and leaves 1 - 1/(n - 1). For odd n one institution rests. n = 1 has no edge, n = 2
    one pair in every round.

    Reference: Boyd, Ghosh, Prabhakar and Shah, Randomized gossip algorithms, IEEE Transactions on Information Theory
    2006.
    """

    pairs: int | None = Field(None, ge=1, description="pairs in a round; default n/2, rounded down")
    weights: Literal["metropolis"] = Field("metropolis", description="the only choice: both of a pair 1/2")

    def period(self, n: int | None) -> None:
        """Each round is drawn anew."""
        return

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph:
        """`pairs` edges."""
        n = institutions(n)
        pairs = n // 2 if self.pairs is None else self.pairs
        if pairs > n // 2:
            raise InputError(
                f"topology random_matching: pairs = {pairs}, but n = {n} institutions have at most {n // 2} pairs; "
                "leave it out for as many as there can be"
            )
        order = stream(seed, "topology", "random_matching", t).permutation(n)[: 2 * pairs].tolist()
        return undirected_graph(n, zip(order[::2], order[1::2], strict=True))
