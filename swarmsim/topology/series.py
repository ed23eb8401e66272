"""Who talks to whom, and with what weights, in every round of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.connected import check_connected
from swarmsim.topology.graphs import union
from swarmsim.topology.mixing import mixing
from swarmsim.topology.names import by_name
from swarmsim.topology.window import window
from swarmsim.types import InputError, Mixing

__all__ = ["Series", "series"]

MOST = 50_000_000


@dataclass(frozen=True)
class Series:
    """The mixing matrices of a run: that of round t is `mixings[which[t]]`, the same at every institution.

    graphs: those of `mixings`, in the same order, of a static or periodic topology. Of one that draws a graph for every
    round only their union over the window, since a graph takes a hundred times the memory of its W, and W says who
    talks to whom.
    """

    graphs: tuple[networkx.Graph | networkx.DiGraph, ...]
    mixings: tuple[Mixing, ...]
    which: np.ndarray

    def at(self, t: int) -> Mixing:
        """W of round t, from 0."""
        return self.mixings[self.which[t]]

    @property
    def network(self) -> networkx.Graph | networkx.DiGraph:
        """Every edge that is ever used, with its latency and bandwidth."""
        return union(self.graphs)


def series(
    topology: Topology, n: int | None, seed: int, names: Sequence[str] | None = None, rounds: int = 1,
    sizes: Sequence[int] | None = None, counts: np.ndarray | None = None,
) -> Series:  # fmt: skip
    """The series of a topology: one W if it is static, those of a period, or one for each round (equal ones once).

    sizes: examples of each institution, for `weights: sample`; counts [n, classes]: of which classes they are.
    If the nodes of a topology file carry exactly the institutions' names, in any order, nodes follow the names; if no
    name is the same, nodes follow the file's order. InputError if the numbers differ, if only some names are the same,
    if the union of the graphs over a window (`window`) is not connected, or if the W of all rounds together have more
    than fifty million weights (400 MB).
    """
    n = len(names) if n is None and names is not None else n
    if names is not None and len(names) != n:
        raise InputError(f"topology: n = {n}, but {len(names)} institutions are named")
    topology = topology if counts is None else topology.with_counts(counts, seed)
    period = topology.period(n)
    graphs = [by_name(topology.graph_at(n, seed, t), names) for t in range(window(period, n))]
    network = union(graphs)
    given = names or [str(network.nodes[i].get("name", i)) for i in range(len(network))]
    check_connected(network, given, len(graphs))
    if period is None:
        every = (by_name(topology.graph_at(n, seed, t), names) for t in range(rounds))
        mixings, which = _distinct(mixing(graph, topology.weights, sizes) for graph in every)
        return Series((network,), mixings, which)
    mixings = tuple(mixing(graph, topology.weights, sizes) for graph in graphs)
    return Series(tuple(graphs), mixings, np.arange(rounds) % period)


def _distinct(mixings) -> tuple[tuple[Mixing, ...], np.ndarray]:
    """Every W once, and which of them each round uses."""
    found: dict[tuple[bytes, ...], int] = {}
    kept, which, stored = [], [], 0
    for w in mixings:
        key = tuple(part.tobytes() for part in (w.starts, w.columns, w.weights))
        if found.setdefault(key, len(kept)) == len(kept):
            kept.append(w)
            stored += len(w.weights)
        if stored > MOST:
            raise InputError(
                f"topology: {len(which)} rounds of random graphs on {w.n} institutions hold more than {MOST:,} "
                "weights; write fewer rounds, or a topology with a period"
            )
        which.append(found[key])
    return tuple(kept), np.array(which, dtype=np.int64)
