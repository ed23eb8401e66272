"""The entry for a graph that stands still: from a topology's arguments to the connected graph and its W."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.series import series
from swarmsim.types import InputError, Mixing

__all__ = ["build"]


def build(
    topology: Topology, n: int | None, seed: int, names: Sequence[str] | None = None, sizes: Sequence[int] | None = None
) -> tuple[networkx.Graph | networkx.DiGraph, Mixing]:
    """The graph on 0..n-1, where node i is the i-th institution, and W: the one of `series`.

    InputError as there, and if the graph is not the same in every round.
    """
    found = series(topology, n, seed, names, sizes=sizes)
    if topology.period(len(found.network)) != 1:
        raise InputError(
            f"topology: {type(topology).__name__} is another graph in every round, and here one graph for all rounds "
            "is needed; choose a static topology"
        )
    return found.graphs[0], found.mixings[0]
