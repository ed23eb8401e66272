"""Balanced tree."""

from __future__ import annotations

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph

__all__ = ["Tree"]


class Tree(Topology):
    """Balanced tree: institution 0 is the root and i > 0 exchanges with its parent (i - 1) // children.

    Every level is full but the last, which fills from the left. children = 1 is the path, children >= n - 1 the star.
    n = 1 has no edge.

    Reference: Vogels et al., RelaySum for decentralized deep learning on heterogeneous data, arXiv:2110.04175.
    """

    children: int = Field(2, ge=1, description="children of every institution that has all of them")

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n - 1 edges."""
        n = institutions(n)
        return undirected_graph(n, (((i - 1) // self.children, i) for i in range(1, n)))
