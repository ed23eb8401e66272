"""Star."""

from __future__ import annotations

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph
from swarmsim.types import InputError

__all__ = ["Star"]


class Star(Topology):
    """Star: one hub exchanges with everyone, the others with the hub only.

    Metropolis: every edge has weight 1/n, rho = 1 - 1/n for n >= 3. Uniform: the hub's data count n/(3n - 2) of the
    total, 8/22 at n = 8. n = 1 has no edge; n = 2 is one edge with rho = 0.

    Reference: Xiao and Boyd, Fast linear iterations for distributed averaging, Systems & Control Letters 2004.
    """

    hub: int = Field(0, ge=0, description="number of the institution in the middle, from 0")

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n - 1 edges, all at the hub."""
        n = institutions(n)
        if self.hub >= n:
            raise InputError(
                f"topology star: hub = {self.hub}, but hub < n = {n} is needed; write hub: {n - 1} or less"
            )
        return undirected_graph(n, ((self.hub, i) for i in range(n)))
