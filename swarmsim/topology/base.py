"""What every topology is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from pydantic import Field

from swarmsim.lazy import networkx
from swarmsim.topology.graphs import union
from swarmsim.topology.window import window
from swarmsim.types import Arguments

__all__ = ["RULES", "Topology", "Varying"]

RULES = (
    "metropolis: w_ij = 1/(1 + max(d_i, d_j)), doubly stochastic; max_degree: 1/(1 + max d); laplacian: the constant "
    "weight with the smallest rho, self weights may be negative; uniform: w_ij = 1/(d_i + 1), biased: it favours "
    "institutions with many neighbours unless all have equally many; sample: institutions count by their numbers of "
    "examples"
)


class Topology(Arguments, ABC):
    """A communication graph over institutions 0..n-1 and the rule that turns it into a mixing matrix W.

    An edge j -> i means that j sends to i (an undirected edge: both ways). Graphs have no self loops; W always
    has its diagonal. Edges may carry `latency` (seconds), `bandwidth` (bytes/second) and `weight` (of W).
    """

    weights: Literal["metropolis", "max_degree", "laplacian", "uniform", "sample"] = Field(
        "metropolis", description=RULES
    )

    @abstractmethod
    def graph(self, n: int | None, seed: int) -> networkx.Graph | networkx.DiGraph:
        """The graph on nodes 0..n-1; n is None where the topology itself knows how many there are."""

    def period(self, n: int | None) -> int | None:
        """After how many rounds the graphs repeat: 1 for a static graph, None if each round draws a new one."""
        return 1

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph | networkx.DiGraph:
        """The graph of round t, from 0; the same round has the same graph at every institution."""
        return self.graph(n, seed)

    def with_counts(self, counts: np.ndarray, seed: int) -> Topology:
        """The same topology once examples [n, classes] are counted; only a few topologies ask for them."""
        return self


class Varying(Topology):
    """A topology whose graph is another one in every round; `graph` is all that is used within a window."""

    @abstractmethod
    def period(self, n: int | None) -> int | None:
        """As of a `Topology`."""

    @abstractmethod
    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph | networkx.DiGraph:
        """As of a `Topology`."""

    def graph(self, n: int | None, seed: int) -> networkx.Graph | networkx.DiGraph:
        """The union over a window: one period, or the first max(20, 4 log2 n) rounds of random graphs."""
        return union([self.graph_at(n, seed, t) for t in range(window(self.period(n), n))])
