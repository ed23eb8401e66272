"""One-peer hypercube."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Varying
from swarmsim.topology.graphs import dimension, undirected_graph

__all__ = ["OnePeerHypercube"]


class OnePeerHypercube(Varying):
    """One-peer hypercube: in round t the pairs that differ in binary digit t mod d average, for n = 2^d institutions.

    Every institution meets one other in every round, both with weight 1/2. The product of a period of d rounds is J:
    exact averaging. n = 1 has no edge; n = 2 is one pair in every round.

    Reference: Shi et al., Finite-time convergent gossiping, IEEE/ACM Transactions on Networking 2016.
    """

    weights: Literal["metropolis"] = Field("metropolis", description="the only choice: both of a pair 1/2")

    def period(self, n: int | None) -> int:
        """d = log2 n, at least 1."""
        return max(1, dimension(n, "one_peer_hypercube", "one_peer_exponential", "base_k"))

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph:
        """n / 2 edges."""
        bit = 1 << (t % self.period(n))
        return undirected_graph(n, ((i, i ^ bit) for i in range(n) if i ^ bit < n))
