"""Geographic graph."""

from __future__ import annotations

import math

import numpy as np
from pydantic import Field, model_validator

from swarmsim.lazy import networkx
from swarmsim.rng import stream
from swarmsim.topology.base import Topology
from swarmsim.topology.file import File
from swarmsim.topology.graphs import institutions, same_nodes
from swarmsim.types import InputError

__all__ = ["Geographic"]

EARTH = 6371.0  # mean radius, km
REDRAW = 100


class Geographic(Topology):
    """Geographic graph: institutions have places, near ones are joined, and latency is distance over speed.

    Places are the `coordinates` (latitude, longitude) of the nodes of a topology file without edges, with distances
    along the great circle; or points drawn uniformly in a square, drawn again until connected. Two institutions are
    joined if they are within `radius`, or if one is among the `nearest` of the other (of equally near ones those with
    the lower number). radius >= the largest distance or nearest >= n - 1 is the complete graph; n = 1 has no edge.

    Reference: Penrose, Random geometric graphs, Oxford University Press 2003.
    """

    path: str | None = Field(
        None, min_length=1, description="a .yaml topology with coordinates and `edges: []`; default random places"
    )
    side: float | None = Field(None, gt=0, description="km: side of the square of random places; default 500")
    radius: float | None = Field(None, gt=0, description="km: join all that are at most so far apart")
    nearest: int | None = Field(None, ge=1, description="join each with so many nearest; default 3 without a radius")
    speed: float = Field(
        125_000.0, gt=0, description="km/s of a signal, one way; 125 000 is 8 microseconds a km, fibre with detours"
    )
    bandwidth: float | None = Field(None, gt=0, description="bytes/second of every edge; default not limited")

    @model_validator(mode="after")
    def _one_of_two(self) -> Geographic:
        for one, other in (("path", "side"), ("radius", "nearest")):
            if getattr(self, one) is not None and getattr(self, other) is not None:
                raise ValueError(f"{one} and {other} are both given, but only one of them counts; leave one out")
        return self

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """Edges carry `latency` and, if given, `bandwidth`; nodes `coordinates`, from a file or in km."""
        if self.path is not None:
            places = self._from_file(n)
            coordinates = [data["coordinates"] for _, data in places.nodes(data=True)]
            return self._joined(places, _great_circle(np.radians(coordinates)))
        for k in range(REDRAW + 1):
            graph = self._drawn(institutions(n), stream(seed, "topology", "geographic", k))
            if networkx.is_connected(graph):
                return graph
        rule = f"radius = {self.radius:g} km" if self.radius else f"nearest = {self.nearest or 3}"
        raise InputError(
            f"topology geographic: none of {REDRAW + 1} draws of places for n = {n} institutions in a square of "
            f"{self.side or 500:g} km is connected with {rule}; write a larger one"
        )

    def _from_file(self, n: int | None) -> networkx.Graph:
        graph = File(path=self.path).graph(n, 0)
        if graph.number_of_edges():
            raise InputError(
                f"topology geographic: {self.path!r} has {graph.number_of_edges()} edges of its own, which would not "
                "count; write use: file, or edges: [] in a copy of the file"
            )
        nowhere = [data["name"] for _, data in graph.nodes(data=True) if "coordinates" not in data]
        if nowhere:
            raise InputError(
                f"topology geographic: {self.path!r}: node {nowhere[0]!r} has no coordinates; write "
                "coordinates: [latitude, longitude] for every node"
            )
        return same_nodes(graph.to_undirected())

    def _drawn(self, n: int, rng: np.random.Generator) -> networkx.Graph:
        points = rng.uniform(0, self.side or 500, (n, 2))
        graph = networkx.Graph()
        graph.add_nodes_from((i, {"coordinates": tuple(point)}) for i, point in enumerate(points.tolist()))
        return self._joined(graph, np.linalg.norm(points[:, None] - points, axis=-1))

    def _joined(self, graph: networkx.Graph, distances: np.ndarray) -> networkx.Graph:
        near = distances <= self.radius if self.radius else _among_nearest(distances, self.nearest or 3)
        pairs = np.argwhere(np.triu(near | near.T, 1)).tolist()
        rest = {} if self.bandwidth is None else {"bandwidth": self.bandwidth}
        graph.add_edges_from((a, b, {"latency": float(distances[a, b]) / self.speed, **rest}) for a, b in pairs)
        return graph


def _great_circle(places: np.ndarray) -> np.ndarray:
    """Distances [n, n] in km of (latitude, longitude) [n, 2] in radians, by the haversine formula."""
    latitude, longitude = places.T
    across = np.sin((latitude[:, None] - latitude) / 2) ** 2
    along = np.sin((longitude[:, None] - longitude) / 2) ** 2
    squared = across + np.cos(latitude[:, None]) * np.cos(latitude) * along
    return 2 * EARTH * np.arcsin(np.sqrt(np.minimum(squared, 1.0)))


def _among_nearest(distances: np.ndarray, k: int) -> np.ndarray:
    """[n, n]: whether j is one of the k nearest of i, itself left out."""
    away = distances + np.diag(np.full(len(distances), math.inf))
    ranks = np.argsort(np.argsort(away, axis=1, kind="stable"), axis=1, kind="stable")
    return (ranks < k) & np.isfinite(away)
