"""One-peer EquiTopo graph."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.rng import stream
from swarmsim.topology.base import Varying
from swarmsim.topology.graphs import from_weights, institutions

__all__ = ["EquiDyn"]


class EquiDyn(Varying):
    """EquiDyn graph: each round draws one offset u, and institution i exchanges with i + u modulo n alone.

    Directed (OD-EquiDyn): i sends to i + u; W = (1 - eta) I + eta (1/n I + (n - 1)/n P_u). Undirected (OU-EquiDyn):
    from a random start around the circle, i and i + u become a pair if both are still free; a pair has weight
    eta (n - 1)/n. Every W is doubly stochastic. Directed with all offsets, a round leaves a^2 + b^2 - 2ab/(n - 1) of
    the disagreement in expectation, with b = eta (n - 1)/n and a = 1 - b: one half for eta = 1/2 and any large n.
    n = 1 has no arc.

    Reference: Song et al., Communication-efficient topologies for decentralized learning with O(1) consensus rate,
    arXiv:2210.07881.
    """

    offsets: int | None = Field(None, ge=1, description="draw u from so many offsets, themselves drawn once; default "
                                "all of 1..n-1")  # fmt: skip
    eta: float = Field(0.5, gt=0, le=1, description="how far a round goes towards the shifted values")
    directed: bool = Field(True, description="true: everybody sends to one; false: pairs")
    weights: Literal["given"] = Field("given", description="the only choice: the weights of EquiDyn")

    def period(self, n: int | None) -> None:
        """Each round is drawn anew."""
        return

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph | networkx.DiGraph:
        """n arcs, or at most n / 2 edges."""
        n = institutions(n)
        weight = self.eta * (n - 1) / n
        if n == 1:
            return from_weights(n, (), self.directed)
        rng = stream(seed, "topology", "equi_dyn", t)
        u = self._offset(n, seed, rng)
        ends = [(i, (i + u) % n) for i in range(n)] if self.directed else _pairs(n, u, int(rng.integers(n)))
        return from_weights(n, ((a, b, weight) for a, b in ends), self.directed)

    def _offset(self, n: int, seed: int, rng: np.random.Generator) -> int:
        if self.offsets is None:
            return int(rng.integers(1, n))
        return int(rng.choice(stream(seed, "topology", "equi_dyn", "offsets").integers(1, n, self.offsets)))


def _pairs(n: int, u: int, start: int) -> list[tuple[int, int]]:
    """From `start` around the circle, (i, i + u) where both are free."""
    free, pairs = set(range(n)), []
    for step in range(n):
        pair = ((start + step) % n, (start + step + u) % n)
        if free.issuperset(pair):
            pairs.append(pair)
            free.difference_update(pair)
    return pairs
