"""Random regular graph."""

from __future__ import annotations

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import connected_draw, institutions
from swarmsim.types import InputError

__all__ = ["RandomRegular"]


class RandomRegular(Topology):
    """Random regular graph: every institution has the same number of neighbours, otherwise drawn at random.

    Every weight is 1/(degree + 1). From degree 3 on it is almost surely connected and an expander: rho tends to
    (1 + 2 sqrt(degree - 1))/(degree + 1) for large n. Needs degree < n and n x degree even; degree = n - 1 is the
    complete graph. Degree 2 is one ring (drawn up to 101 times until connected), degree 1 only works for n = 2,
    degree 0 only for n = 1.

    Reference: Steger and Wormald, Generating random regular graphs quickly, 1999; Friedman 2008 for the spectrum.
    """

    degree: int = Field(3, ge=0, description="neighbours of every institution; degree < n and n x degree even")

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """n degree / 2 edges."""
        n = institutions(n)
        self._check(n)
        hint = f"degree = {self.degree}, but degree >= 3 is needed to be connected in general"
        return connected_draw(
            lambda s: networkx.random_regular_graph(self.degree, n, seed=s), n, seed, "random_regular", 100, hint
        )

    def _check(self, n: int) -> None:
        if self.degree >= n:
            raise InputError(
                f"topology random_regular: degree = {self.degree}, but degree < n = {n} is needed; "
                f"write degree: {n - 1} or less, or use: complete"
            )
        if n * self.degree % 2:
            raise InputError(
                f"topology random_regular: n x degree = {n} x {self.degree} is odd, but must be even; "
                f"write degree: {self.degree - 1} or degree: {self.degree + 1}"
            )
