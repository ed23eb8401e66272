"""Path."""

from __future__ import annotations

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph

__all__ = ["Path"]


class Path(Topology):
    """Path: a ring with one edge cut; institution i exchanges with i - 1 and i + 1 where they exist.

    Metropolis: rho = 1/3 + 2/3 cos(pi/n) for n >= 3, that of a ring of 2n. n = 1 has no edge; n = 2 has weights
    1/2 and rho = 0.

    Reference: Xiao and Boyd, Fast linear iterations for distributed averaging, Systems & Control Letters 2004.
    """

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n - 1 edges."""
        n = institutions(n)
        return undirected_graph(n, ((i, i + 1) for i in range(n - 1)))
