"""MATCHA: matchings of a graph within a communication budget."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError, model_validator

from swarmsim.lazy import networkx
from swarmsim.rng import stream
from swarmsim.topology.barbell import Barbell
from swarmsim.topology.base import Topology, Varying
from swarmsim.topology.budget import Decomposition, activation, edge_weight
from swarmsim.topology.complete import Complete
from swarmsim.topology.connected import check_connected
from swarmsim.topology.erdos_renyi import ErdosRenyi
from swarmsim.topology.file import File
from swarmsim.topology.geographic import Geographic
from swarmsim.topology.graphs import same_nodes, undirected_graph
from swarmsim.topology.guess import nearest
from swarmsim.topology.hypercube import Hypercube
from swarmsim.topology.matchings import matchings
from swarmsim.topology.path import Path
from swarmsim.topology.random_regular import RandomRegular
from swarmsim.topology.ring import Ring
from swarmsim.topology.small_world import SmallWorld
from swarmsim.topology.star import Star
from swarmsim.topology.torus import Torus
from swarmsim.types import InputError

__all__ = ["Matcha"]

BASES = {
    "barbell": Barbell, "complete": Complete, "erdos_renyi": ErdosRenyi, "file": File, "geographic": Geographic,
    "hypercube": Hypercube, "path": Path, "random_regular": RandomRegular, "ring": Ring, "small_world": SmallWorld,
    "star": Star, "torus": Torus,
}  # fmt: skip
LARGEST = 500


class Matcha(Varying):
    """MATCHA: the edges of a graph in matchings, each of which is used in a round with a probability of its own.

    The base graph is taken apart into m <= max degree + 1 matchings; probabilities sum to budget x m and make the
    expected graph as connected as 100 steps find (lambda_2 of the expected Laplacian), so that edges the graph depends
    on are used often. W = I - a sum of the Laplacians in use, with the a <= 1/max degree that gives the smallest
    ||E[W^T W] - J||_2. Each W is symmetric and doubly stochastic. budget = 1 is the base graph in every round, with one
    weight for all edges. Up to 500 institutions; n = 1 has no edge.

    Reference: Wang et al., MATCHA: Speeding up decentralized SGD via matching decomposition sampling,
    arXiv:1905.09435.
    """

    base: dict[str, Any] = Field(
        {"use": "ring"}, description=f"the graph, as a topology of its own without weights: use: {', '.join(BASES)}"
    )
    budget: float = Field(0.5, gt=0, le=1, description="the share of the matchings that a round uses on average")
    weights: Literal["given"] = Field("given", description="the only choice: the weight that MATCHA finds")

    @model_validator(mode="after")
    def _base_is_legal(self) -> Matcha:
        self._base()
        return self

    def period(self, n: int | None) -> None:
        """Each round is drawn anew."""
        return

    def graph_at(self, n: int | None, seed: int, t: int) -> networkx.Graph:
        """The edges of the matchings that round t uses, with what else they carry in the base graph."""
        graph = self._base().graph(n, seed)
        _check(graph)
        parts, probabilities, weight = _plan(len(graph), tuple(graph.edges), self.budget)
        used = stream(seed, "topology", "matcha", t).random(len(parts)) < probabilities
        now = same_nodes(graph)
        for part, is_used in zip(parts, used, strict=True):
            now.add_edges_from((a, b, {**graph.edges[a, b], "weight": weight}) for a, b in part if is_used)
        return now

    def _base(self) -> Topology:
        given = dict(self.base)
        use = str(given.pop("use", ""))
        if use not in BASES:
            raise ValueError(f"base: no use {use!r}{nearest(use, BASES)}; allowed: {', '.join(BASES)}")
        if "weights" in given:
            raise ValueError("base: weights do not count, MATCHA has its own; leave them out")
        try:
            return BASES[use](**given)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"base: {use}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None


@lru_cache(maxsize=4)
def _plan(n: int, edges: tuple[tuple[int, int], ...], budget: float) -> tuple:
    """What is the same in all rounds: (matchings, their probabilities, the weight of an edge)."""
    parts = matchings(undirected_graph(n, edges))
    if not parts:
        return parts, np.zeros(0), 0.0
    graph = Decomposition(n, parts)
    probabilities = activation(graph, budget)
    return parts, probabilities, edge_weight(graph, probabilities)


def _check(graph: networkx.Graph) -> None:
    if graph.is_directed():
        raise InputError("topology matcha: the base graph is directed; an undirected one is needed")
    if len(graph) > LARGEST:
        raise InputError(
            f"topology matcha: n = {len(graph)} institutions, but the probabilities are found for at most {LARGEST}; "
            "write use: random_matching"
        )
    check_connected(graph, [str(graph.nodes[i].get("name", i)) for i in range(len(graph))])
