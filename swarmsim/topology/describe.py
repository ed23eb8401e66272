"""What is worth knowing of a topology before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swarmsim.lazy import networkx
from swarmsim.topology import spectrum
from swarmsim.topology.base import Topology
from swarmsim.topology.mixing import mixing
from swarmsim.types import InputError

__all__ = ["check_connected", "describe"]

SHOWN = 6


def describe(topology: Topology, n: int | None, seed: int) -> dict:
    """Size, connectedness and spectrum of W; a disconnected graph is described, not refused.

    Undirected edges count once, arcs each; degree counts the institutions that send to one (itself left out).
    period is 1 and period_product_error = ||W - J||_2 = rho, since the graph is the same in every round.
    """
    graph = topology.graph(n, seed)
    w = mixing(graph, topology.weights)
    rho, degrees = spectrum.rho(w), np.diff(w.starts) - 1
    return {
        "n": w.n,
        "edges": graph.number_of_edges(),
        "directed": graph.is_directed(),
        "connected": spectrum.connected(w),
        "doubly_stochastic": spectrum.doubly_stochastic(w),
        "rho": rho,
        "spectral_gap": 1.0 - rho,
        "lambda_min": spectrum.lambda_min(w),
        "period": 1,
        "period_product_error": rho,
        "degree": {"min": int(degrees.min()), "mean": float(degrees.mean()), "max": int(degrees.max())},
    }


def check_connected(graph: networkx.Graph | networkx.DiGraph, names: Sequence[str]) -> None:
    """Raise InputError with the names of the components if some institution cannot be reached from another."""
    find = networkx.strongly_connected_components if graph.is_directed() else networkx.connected_components
    components = sorted((sorted(part) for part in find(graph)), key=lambda part: (-len(part), part))
    if len(components) > 1:
        kind = "strongly connected" if graph.is_directed() else "connected"
        listed = "; ".join("{" + _shortened([names[i] for i in part]) + "}" for part in components[:SHOWN])
        more = f"; and {len(components) - SHOWN} more" if len(components) > SHOWN else ""
        raise InputError(
            f"topology: the graph is not {kind}: {len(components)} components instead of 1, {listed}{more}. "
            "Institutions of different components never learn from each other; "
            "add an edge between them or choose another topology"
        )


def _shortened(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
