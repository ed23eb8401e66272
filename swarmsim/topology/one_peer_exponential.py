"""One-peer exponential graph."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Varying
from swarmsim.topology.graphs import directed_graph, institutions

__all__ = ["OnePeerExponential"]


class OnePeerExponential(Varying):
    """One-peer exponential graph (directed): in round t institution i sends to i + 2^(t mod m) modulo n alone.

    m = ceil(log2 n) rounds are a period; W = (I + P)/2 with P the shift of the round, so each round is doubly
    stochastic. For n = 2^m the product of a period is J: exact averaging after m rounds that send one model each; for
    other n it is not. n = 1 has no arc, n = 2 both arcs in every round (W = J).

    Reference: Ying et al., Exponential graph is provably efficient for decentralized deep training, arXiv:2110.13363.
    """

    weights: Literal["uniform"] = Field("uniform", description="the only choice: half its own, half the one it hears")

    def period(self, n: int | None) -> int:
        """ceil(log2 n), at least 1."""
        return max(1, (institutions(n) - 1).bit_length())

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.DiGraph:
        """n arcs."""
        n = institutions(n)
        return directed_graph(n, ((i, (i + 2 ** (t % self.period(n))) % n) for i in range(n)))
