"""Erdos-Renyi random graph."""

from __future__ import annotations

import math

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import connected_draw, institutions

__all__ = ["ErdosRenyi"]


class ErdosRenyi(Topology):
    """Erdos-Renyi random graph G(n, p): each pair is an edge with probability p, drawn again until connected.

    A draw is connected with probability about exp(-n (1 - p)^(n - 1)), so p well above ln(n)/n is needed; conditioning
    on connectedness makes sparse graphs a little denser than p. n = 1 has no edge, p = 1 is the complete graph. rho has
    no closed form: see `swarmsim check`.

    Reference: Erdos and Renyi, On random graphs I, Publicationes Mathematicae 1959.
    """

    p: float | None = Field(None, gt=0, le=1, description="probability of each edge; default min(1, 2 ln(n) / n)")
    redraw: int = Field(100, ge=0, description="how often a disconnected graph is drawn again before giving up")

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """The first connected draw."""
        n = institutions(n)
        p = self.p or min(1.0, 2 * math.log(max(n, 2)) / n)
        chance = math.exp(-n * (1 - p) ** (n - 1))
        hint = (
            f"p = {p:.4g} connects a draw with probability about {chance:.2g}, and p > ln(n)/n = {math.log(n) / n:.4g} "
            f"is needed; write p: {min(1.0, 2 * math.log(n) / n):.2g} or more, or redraw: above {self.redraw}"
        )
        return connected_draw(
            lambda s: networkx.fast_gnp_random_graph(n, p, seed=s), n, seed, "erdos_renyi", self.redraw, hint
        )
