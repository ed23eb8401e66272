"""Barbell."""

from __future__ import annotations

from itertools import combinations

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph
from swarmsim.types import InputError

__all__ = ["Barbell"]


class Barbell(Topology):
    """Barbell (dumbbell): two complete groups joined by a bridge, a single edge or a path of institutions.

    The first group is institutions 0..a-1, the bridge the next `bridge`, the second group the rest; both groups are
    equal, the second has one more where that is impossible. What each group learns apart meets in one edge, so the
    spectral gap shrinks as 1/n^2 for n -> infinity (Metropolis, bridge = 0). Needs n >= bridge + 2: n = 2 is one edge,
    two groups of 1 and a bridge are the path; n = 1 has no edge.

    Reference: Aldous and Fill, Reversible Markov chains and random walks on graphs, 2002, chapter 5.
    """

    bridge: int = Field(0, ge=0, description="institutions on the way between the groups; 0: a single edge")

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """Two complete graphs and bridge + 1 edges."""
        n = institutions(n)
        if n == 1 and not self.bridge:
            return undirected_graph(1, ())
        if n < self.bridge + 2:
            raise InputError(
                f"topology barbell: bridge = {self.bridge}, but bridge <= n - 2 = {n - 2} is needed with n = {n}, one "
                f"institution at each end; write bridge: {max(n - 2, 0)} or less"
            )
        first = (n - self.bridge) // 2
        second = first + self.bridge
        path = ((i, i + 1) for i in range(first - 1, second))
        return undirected_graph(n, (*combinations(range(first), 2), *path, *combinations(range(second, n), 2)))
