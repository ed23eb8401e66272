"""Ring."""

from __future__ import annotations

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph

__all__ = ["Ring"]


class Ring(Topology):
    """Ring: institution i exchanges with i - 1 and i + 1, the last with the first.

    For n >= 3 every weight is 1/3 and the eigenvalues are 1/3 + 2/3 cos(2 pi k/n), so rho = 1/3 + 2/3 cos(2 pi/n)
    for n >= 5. n = 1 has no edge; n = 2 has one edge (not two), weights 1/2; n = 3 is the complete graph.

    Reference: Xiao and Boyd, Fast linear iterations for distributed averaging, Systems & Control Letters 2004.
    """

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n edges, or n - 1 where n < 3."""
        n = institutions(n)
        return undirected_graph(n, ((i, (i + 1) % n) for i in range(n)))
