"""From a graph to the mixing matrix W: x_i <- sum_j W_ij x_j, where W_ij > 0 only if j sends to i (or j = i)."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from swarmsim.lazy import networkx
from swarmsim.types import Mixing

__all__ = ["mixing"]


def mixing(graph: networkx.Graph | networkx.DiGraph, weights: Literal["metropolis", "uniform"]) -> Mixing:
    """W of a graph on nodes 0..n-1, with d_i the number of institutions that send to i.

    metropolis: w_ij = 1/(1 + max(d_i, d_j)): symmetric and doubly stochastic on every undirected graph.
    uniform: w_ij = 1/(1 + d_i): doubly stochastic only if all d are equal; otherwise the average is biased, on an
    undirected graph institution i gets mass (d_i + 1)/sum.
    In both, w_ii = 1 - sum of the others, rounded once, so rows sum to 1 within one rounding. On a directed graph
    rows sum to 1 and columns need not: `spectrum.doubly_stochastic` says. n = 1: W = [1].

    Reference: Xiao, Boyd and Lall, A scheme for robust distributed sensor fusion, IPSN 2005.
    """
    n = graph.number_of_nodes()
    rows, columns = _support(graph, n)
    degree = np.bincount(rows, minlength=n) - 1
    heard = degree[rows] if weights == "uniform" else np.maximum(degree[rows], degree[columns])
    values = 1.0 / (1.0 + heard)
    starts = np.concatenate([[0], np.cumsum(degree + 1)])
    values[rows == columns] = 0.0
    values[rows == columns] = [1.0 - math.fsum(row.tolist()) for row in np.split(values, starts[1:-1])]
    return Mixing(n, starts, columns, values)


def _support(graph: networkx.Graph, n: int) -> tuple[np.ndarray, np.ndarray]:
    """(receiver, sender) of every arc and of the diagonal, sorted by receiver, then sender."""
    src, dst = np.array(list(graph.edges), dtype=np.int64).reshape(-1, 2).T
    if not graph.is_directed():
        src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
    rows, columns = np.concatenate([dst, np.arange(n)]), np.concatenate([src, np.arange(n)])
    order = np.lexsort((columns, rows))
    return rows[order], columns[order]
