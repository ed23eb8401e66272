"""Hypercube."""

from __future__ import annotations

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import dimension, undirected_graph

__all__ = ["Hypercube"]


class Hypercube(Topology):
    """Hypercube: n = 2^d institutions, each exchanging with the d whose number differs in one binary digit.

    Every weight is 1/(d + 1); rho = 1 - 2/(d + 1) and lambda_min = -(d - 1)/(d + 1) for d >= 1. n = 1 (d = 0) has no
    edge, n = 2 one edge with rho = 0, n = 4 is the ring.

    Reference: Trevisan, Lecture notes on graph partitioning, expanders and spectral methods, 2017.
    """

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n d / 2 edges."""
        d = dimension(n, "hypercube", "exponential", "torus")
        return undirected_graph(n, ((i, i ^ (1 << k)) for i in range(n) for k in range(d)))
