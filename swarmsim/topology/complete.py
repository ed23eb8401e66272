"""Complete graph."""

from __future__ import annotations

from itertools import combinations

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph

__all__ = ["Complete"]


class Complete(Topology):
    """Complete graph: every institution exchanges with every other.

    Every weight is 1/n, so W = J and rho = 0: one round of mixing is an exact average. n = 1 has no edge.

    Reference: Xiao and Boyd, Fast linear iterations for distributed averaging, Systems & Control Letters 2004.
    """

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n (n - 1) / 2 edges."""
        n = institutions(n)
        return undirected_graph(n, combinations(range(n), 2))
