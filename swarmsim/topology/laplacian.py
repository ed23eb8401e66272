"""The best constant edge weight: W = I - a L with the smallest rho."""

from __future__ import annotations

import numpy as np

from swarmsim.lazy import networkx

__all__ = ["best_constant"]

DENSE = 1500


def best_constant(graph: networkx.Graph) -> float:
    """a = 2/(lambda_2 + lambda_n), of the smallest non-zero and the largest eigenvalue of the Laplacian L.

    Then rho = (lambda_n - lambda_2)/(lambda_n + lambda_2). Of a graph in several components (one round of a matching)
    the eigenvalues are those of all components together, so that a matching gets 1/2, not 1. No edge: 1.

    Reference: Xiao and Boyd, Fast linear iterations for distributed averaging, Systems & Control Letters 2004, eq. 23.
    """
    parts = [part for part in networkx.connected_components(graph) if len(part) > 1]
    ends = [_ends(graph.subgraph(sorted(part))) for part in parts]
    return 2.0 / (min(low for low, _ in ends) + max(high for _, high in ends)) if ends else 1.0


def _ends(graph: networkx.Graph) -> tuple[float, float]:
    """lambda_2 and lambda_n of a connected graph."""
    matrix = networkx.laplacian_matrix(graph, weight=None).astype(np.float64)
    if len(graph) <= DENSE:
        values = np.linalg.eigvalsh(matrix.toarray())
        return float(values[1]), float(values[-1])
    from scipy.sparse import eye_array

    from swarmsim.topology.sparse import symmetric_ends

    step = 0.5 / matrix.diagonal().max()
    low, high = symmetric_ends((eye_array(len(graph)) - step * matrix).tocsr())
    return (1 - high) / step, (1 - low) / step
