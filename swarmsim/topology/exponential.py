"""Static exponential graph."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import directed_graph, institutions

__all__ = ["Exponential"]


class Exponential(Topology):
    """Static exponential graph (directed): institution i sends to i + 1, i + 2, i + 4, ... modulo n.

    With m = ceil(log2 n) offsets every weight is 1/(m + 1). It is circulant, hence doubly stochastic although
    directed; rho = 1 - 2/(m + 1) for even n, smaller for odd n. n = 1 has no arc, n = 2 two (rho = 0), n = 3 is
    complete.

    Reference: Ying et al., Exponential graph is provably efficient for decentralized deep training, arXiv:2110.13363.
    """

    weights: Literal["uniform"] = Field("uniform", description="the only choice: 1/(ceil(log2 n) + 1) everywhere")

    def graph(self, n: int | None, seed: int) -> networkx.DiGraph:
        """n ceil(log2 n) arcs."""
        n = institutions(n)
        offsets = [2**k for k in range((n - 1).bit_length())]
        return directed_graph(n, ((i, (i + offset) % n) for i in range(n) for offset in offsets))
