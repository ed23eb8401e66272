"""Torus."""

from __future__ import annotations

import math

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import institutions, undirected_graph
from swarmsim.types import InputError

__all__ = ["Torus"]


class Torus(Topology):
    """Torus: a grid of rows x cols whose opposite sides are joined; each institution has four neighbours.

    Institution i stands in row i // cols, column i % cols. For both sides >= 3 every weight is 1/5 and rho is the
    largest |1 + 2 cos(2 pi a/rows) + 2 cos(2 pi b/cols)|/5 over (a, b) != (0, 0): .6 for 4 x 4. Without rows and cols
    the sides are the most equal whole numbers with product n; for a prime n that is 1 x n. A side of 2 would join a
    pair twice, these edges are merged (three neighbours); a side of 1 leaves a ring.

    Reference: Lian et al., Asynchronous decentralized parallel stochastic gradient descent, ICML 2018.
    """

    rows: int | None = Field(None, ge=1, description="rows of the grid; default n / cols, or the most square grid")
    cols: int | None = Field(None, ge=1, description="columns of the grid; default n / rows, or the most square grid")

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """2n edges where both sides are at least 3."""
        n = institutions(n)
        cols = self._columns(n)
        right = ((i, i - i % cols + (i + 1) % cols) for i in range(n))
        down = ((i, (i + cols) % n) for i in range(n))
        return undirected_graph(n, (*right, *down))

    def _columns(self, n: int) -> int:
        square = max(a for a in range(1, math.isqrt(n) + 1) if n % a == 0)
        rows = self.rows or n // (self.cols or n // square)
        cols = self.cols or n // rows if rows else n
        if rows * cols != n:
            given = " and ".join(f"{k} = {v}" for k, v in (("rows", self.rows), ("cols", self.cols)) if v)
            raise InputError(
                f"topology torus: {given}, but rows x cols = n = {n} is needed; "
                f"write rows: {square} and cols: {n // square}, or leave both out"
            )
        return cols
