"""Random tree."""

from __future__ import annotations

from swarmsim.lazy import networkx
from swarmsim.rng import stream
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph

__all__ = ["RandomTree"]


class RandomTree(Topology):
    """Random tree: one of the n^(n - 2) trees on numbered institutions, each as likely as any other.

    It is read off a random sequence of n - 2 institutions. A given institution is a leaf with probability
    (1 - 1/n)^(n - 2), tending to 1/e. n = 1 has no edge, n = 2 one, n = 3 is a path.

    Reference: Pruefer, Neuer Beweis eines Satzes ueber Permutationen, Archiv der Mathematik und Physik 1918.
    """

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n - 1 edges."""
        n = institutions(n)
        if n < 3:
            return undirected_graph(n, ((i, i + 1) for i in range(n - 1)))
        sequence = stream(seed, "topology", "random_tree").integers(n, size=n - 2).tolist()
        return undirected_graph(n, networkx.from_prufer_sequence(sequence).edges)
