"""Static EquiTopo graph."""

from __future__ import annotations

import math
from itertools import count
from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.rng import stream
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import from_weights, institutions

__all__ = ["EquiStatic"]


class EquiStatic(Topology):
    """EquiStatic graph: institution i sends to i + u_1, ..., i + u_M modulo n, for M offsets drawn at random.

    W = 1/n I + (n - 1)/(n M) sum of the M shifts (an offset that is drawn twice counts twice), or the symmetric half of
    it and its transpose. It is doubly stochastic, and rho does not grow with n: M >= 8/3 ln(2n/p)/e^2 offsets keep it
    below e with probability 1 - p. Offsets are drawn again until the graph is connected. n = 1 has no arc, n = 2 has
    W = J.

    Reference: Song et al., Communication-efficient topologies for decentralized learning with O(1) consensus rate,
    arXiv:2210.07881.
    """

    offsets: int | None = Field(None, ge=1, description="how many are drawn (M); default ceil(log2 n)")
    directed: bool = Field(True, description="true: i sends to i + u (D-EquiStatic); false: and i + u to i (U-)")
    weights: Literal["given"] = Field("given", description="the only choice: the weights of EquiStatic")

    def graph(self, n: int | None, seed: int) -> networkx.Graph | networkx.DiGraph:
        """At most n M arcs or edges."""
        n = institutions(n)
        offsets = self._offsets(n, seed) if n > 1 else []
        weight = (n - 1) / (n * max(len(offsets), 1) * (1 if self.directed else 2))
        return from_weights(n, ((i, (i + u) % n, weight) for u in offsets for i in range(n)), self.directed)

    def _offsets(self, n: int, seed: int) -> list[int]:
        """M numbers in 1..n-1 that together reach everybody: without a common divisor with n, as 1 has none."""
        wanted = self.offsets or (n - 1).bit_length()
        draws = (stream(seed, "topology", "equi_static", k).integers(1, n, wanted).tolist() for k in count())
        return next(drawn for drawn in draws if math.gcd(n, *drawn) == 1)
