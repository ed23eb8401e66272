"""Random directed graph."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.rng import stream
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import directed_graph, institutions
from swarmsim.types import InputError

__all__ = ["DirectedRandom"]


class DirectedRandom(Topology):
    """Random directed graph: a random ring of all, and each institution sends to further ones drawn at random.

    Strongly connected by its ring. Everybody sends to `out_degree` others, but who is heard by whom differs, so no
    rule gives a doubly stochastic W in general: averages are biased (the Perron vector of `swarmsim topology` says how
    much), unless the method is push-sum. out_degree = 1 is a directed ring, out_degree = n - 1 the complete graph,
    both doubly stochastic. n = 1 has no arc.

    Reference: Nedic and Olshevsky, Distributed optimization over time-varying directed graphs, arXiv:1303.2289.
    """

    out_degree: int = Field(2, ge=1, description="how many others each institution sends to, at most n - 1")
    weights: Literal["uniform", "max_degree"] = Field(
        "uniform",
        description="uniform: w_ij = 1/(d_i + 1), d_i how many i hears; max_degree: 1/(1 + max d); both biased",
    )

    def graph(self, n: int | None, seed: int) -> networkx.DiGraph:
        """n out_degree arcs."""
        n = institutions(n)
        if n == 1:
            return directed_graph(1, ())
        if self.out_degree >= n:
            raise InputError(
                f"topology directed_random: out_degree = {self.out_degree}, but out_degree < n = {n} is needed; "
                f"write out_degree: {n - 1} or less"
            )
        ring = stream(seed, "topology", "directed_random").permutation(n).tolist()
        arcs = []
        for i, following in zip(ring, ring[1:] + ring[:1], strict=True):
            others = [j for j in range(n) if j not in (i, following)]
            order = stream(seed, "topology", "directed_random", i).permutation(others).tolist()
            arcs += [(i, j) for j in (following, *order[: self.out_degree - 1])]
        return directed_graph(n, arcs)
