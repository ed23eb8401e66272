"""What is worth knowing of a topology before anything is trained on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swarmsim.topology import spectrum
from swarmsim.topology.base import Topology
from swarmsim.topology.graphs import union
from swarmsim.topology.mixing import mixing
from swarmsim.topology.window import window
from swarmsim.types import Mixing

__all__ = ["describe"]

GAMMA = 0.95
DENSE = 500
EXACT = 1e-12


def describe(
    topology: Topology, n: int | None, seed: int, sizes: Sequence[int] | None = None, counts: np.ndarray | None = None
) -> dict:
    """Size, connectedness and spectrum of W; a disconnected graph is described, not refused.

    A topology that changes is described over a window (`window`): a period, or the first rounds of one that draws its
    graphs. Undirected edges count once, arcs each, those of all rounds together; degree counts the institutions that
    send to one in a round (itself left out). stochastic: which sums of W are 1 (`spectrum.stochastic`), in every round.
    rho and lambda_min are the largest and the smallest of a round; period_product_error = ||W_p ... W_1 - J||_2 over
    the window, which is rho if the graph stands still; spectral_gap = 1 - its p-th root, the mean gain of a round.
    perron: of rows that sum to 1 without columns that do, what each institution counts in the end. Both it and
    effective_neighbours (`spectrum.effective_neighbours` with gamma = 0.95) are left out, None, beyond n = 500.
    """
    topology = topology if counts is None else topology.with_counts(counts, seed)
    period = topology.period(n)
    graphs = [topology.graph_at(n, seed, t) for t in range(window(period, n))]
    network, matrices = union(graphs), [mixing(graph, topology.weights, sizes) for graph in graphs]
    error = spectrum.period_product_error(matrices)
    degrees = np.concatenate([np.diff(w.starts) - 1 for w in matrices])
    kinds, small = {spectrum.stochastic(w) for w in matrices}, matrices[0].n <= DENSE
    return {
        "n": matrices[0].n,
        "edges": network.number_of_edges(),
        "directed": network.is_directed(),
        "connected": spectrum.connected(mixing(network, "uniform")),
        "doubly_stochastic": all(spectrum.doubly_stochastic(w) for w in matrices),
        "stochastic": _common(kinds),
        "negative_weights": any(w.weights.min() < 0 for w in matrices),
        "rho": max(spectrum.rho(w) for w in matrices),
        "spectral_gap": 1.0 - (error if error > EXACT else 0.0) ** (1 / len(matrices)),
        "lambda_min": min(spectrum.lambda_min(w) for w in matrices),
        "period": period,
        "window": len(matrices),
        "period_product_error": error,
        "perron": _perron(matrices) if _common(kinds) == "rows" and small else None,
        "effective_neighbours": spectrum.effective_neighbours(matrices, GAMMA) if small else None,
        "degree": {"min": int(degrees.min()), "mean": float(degrees.mean()), "max": int(degrees.max())},
    }


def _common(kinds: set[str]) -> str:
    """What holds for all of several matrices."""
    left = kinds - {"doubly"} or {"doubly"}
    return left.pop() if len(left) == 1 else "neither"


def _perron(matrices: list[Mixing]) -> list[float]:
    return [float(share) for share in spectrum.perron(matrices)]
