"""What every topology is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.types import Arguments

__all__ = ["Topology"]


class Topology(Arguments, ABC):
    """A communication graph over institutions 0..n-1 and the rule that turns it into a mixing matrix W.

    An edge j -> i means that j sends to i (an undirected edge: both ways). Graphs have no self loops; W always
    has its diagonal. Edges may carry `latency` (seconds) and `bandwidth` (bytes/second).
    """

    weights: Literal["metropolis", "uniform"] = Field(
        "metropolis",
        description="metropolis: w_ij = 1/(1 + max(d_i, d_j)), doubly stochastic; uniform: w_ij = 1/(d_i + 1), "
        "which favours institutions with many neighbours unless all have equally many",
    )

    @abstractmethod
    def graph(self, n: int | None, seed: int) -> networkx.Graph | networkx.DiGraph:
        """The graph on nodes 0..n-1; n is None where the topology itself knows how many there are."""
