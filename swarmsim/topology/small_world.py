"""Small-world graph."""

from __future__ import annotations

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import connected_draw, institutions
from swarmsim.types import InputError

__all__ = ["SmallWorld"]


class SmallWorld(Topology):
    """Small-world graph: a ring of near neighbours, some of whose edges are rewired to far institutions.

    Each institution is joined to its `neighbours` nearest (half on either side); each edge then moves one end to a
    random institution with probability p. Drawn up to 101 times until connected. p = 0 is the plain lattice
    (neighbours = 2: the ring), p = 1 close to a random graph. Needs neighbours < n, so n >= 3.

    Reference: Watts and Strogatz, Collective dynamics of small-world networks, Nature 1998.
    """

    neighbours: int = Field(4, ge=2, multiple_of=2, description="ring neighbours before rewiring, an even number < n")
    p: float = Field(0.1, ge=0, le=1, description="probability that an edge is rewired")

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n neighbours / 2 edges."""
        n = institutions(n)
        if self.neighbours >= n:
            way_out = f"write neighbours: {n - 1 - (n - 1) % 2} or less" if n >= 3 else "write use: complete"
            raise InputError(
                f"topology small_world: neighbours = {self.neighbours}, but neighbours < n = {n} is needed; {way_out}"
            )
        hint = f"neighbours = {self.neighbours} and p = {self.p}; take more neighbours or a smaller p"
        return connected_draw(
            lambda s: networkx.watts_strogatz_graph(n, self.neighbours, self.p, seed=s),
            n,
            seed,
            "small_world",
            100,
            hint,
        )
