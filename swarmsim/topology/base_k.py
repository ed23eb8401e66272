"""Base-(k+1) graph."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Varying
from swarmsim.topology.finite_time import base_rounds
from swarmsim.topology.graphs import from_weights, institutions

__all__ = ["BaseK"]


class BaseK(Varying):
    """Base-(k+1) graph: exact averaging in finite time for every number of institutions, with k neighbours a round.

    The product of a period is J, and the period is at most 2 log_{k+1}(n) + 2 rounds. All rounds are undirected and
    doubly stochastic with the graph's own weights; some institutions rest in some rounds. k = 1 with n = 2^d is the
    one-peer hypercube, k >= n - 1 the complete graph in one round. n = 1 has no edge.

    Reference: Takezawa et al., Beyond exponential graph: Communication-efficient topologies for decentralized learning
    via finite-time convergence, arXiv:2305.11420.
    """

    k: int = Field(1, ge=1, description="the most neighbours that an institution has in a round")
    weights: Literal["given"] = Field("given", description="the only choice: the weights that make the product exact")

    def period(self, n: int | None) -> int:
        """At most 2 log_{k+1}(n) + 2, at least 1."""
        return max(1, len(base_rounds(institutions(n), self.k)))

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph:
        """At most n k / 2 edges."""
        rounds = base_rounds(institutions(n), self.k)
        return from_weights(n, rounds[t % len(rounds)] if rounds else ())
