"""How often to use each matching of a graph within a communication budget, and with what weight.

L_j [n, n] is the Laplacian of matching j, p_j the probability that a round uses it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

__all__ = ["Decomposition", "activation", "edge_weight", "expected_contraction"]

STEPS = 100


class Decomposition:
    """The matchings of a graph on n nodes, as arrays: the two ends of every edge, and the matching it is in."""

    def __init__(self, n: int, matchings: Sequence[Sequence[tuple[int, int]]]):
        self.n, self.size = n, len(matchings)
        self.a, self.b = np.array([edge for matching in matchings for edge in matching]).T
        self.part = np.repeat(np.arange(self.size), [len(matching) for matching in matchings])

    def laplacian(self, factors: np.ndarray) -> np.ndarray:
        """sum_j factors_j L_j."""
        found, weights = np.zeros((self.n, self.n)), factors[self.part]
        found[self.a, self.b] = found[self.b, self.a] = -weights
        return found - np.diag(found.sum(1))

    def slopes(self, v: np.ndarray) -> np.ndarray:
        """v^T L_j v of every matching."""
        return np.bincount(self.part, (v[self.a] - v[self.b]) ** 2, self.size)


def activation(graph: Decomposition, budget: float) -> np.ndarray:
    """p [m] in 0..1 with sum p = budget m that makes lambda_2(sum p_j L_j) large, the best of 100 steps.

    The objective is concave with the supergradient g_j = v^T L_j v for a unit eigenvector v of lambda_2; a step follows
    it and returns to the nearest p within the budget. budget = 1: all ones.
    """
    probabilities = np.full(graph.size, budget)
    best, reached = probabilities, -1.0
    for step in range(1, STEPS + 1):
        values, vectors = np.linalg.eigh(graph.laplacian(probabilities))
        if values[1] > reached:
            best, reached = probabilities, values[1]
        slope = graph.slopes(vectors[:, 1])
        slope -= slope.mean()
        norm = np.linalg.norm(slope)
        if norm < 1e-9 or budget == 1:
            break
        probabilities = _within(probabilities + slope / norm / step**0.5, budget * graph.size)
    return best


def _within(values: np.ndarray, total: float) -> np.ndarray:
    """The nearest point with entries in 0..1 and the given sum: clip(values - shift), the shift by bisection."""
    low, high = values.min() - 1, values.max()
    for _ in range(60):
        shift = (low + high) / 2
        low, high = (shift, high) if np.clip(values - shift, 0, 1).sum() > total else (low, shift)
    return np.clip(values - (low + high) / 2, 0, 1)


def expected_contraction(graph: Decomposition, probabilities: np.ndarray, weight: float) -> float:
    """||E[W^T W] - J||_2 for W = I - weight sum_j B_j L_j, with independent B_j = 1 with probability p_j, else 0.

    E[W^T W] = I - 2 a L + a^2 (L^2 + 2 V) with L = sum p_j L_j and V = sum p_j (1 - p_j) L_j, since L_j^2 = 2 L_j.
    """
    mean, spread = (graph.laplacian(factors) for factors in (probabilities, probabilities * (1 - probabilities)))
    square = np.eye(graph.n) - 2 * weight * mean + weight**2 * (mean @ mean + 2 * spread) - 1.0 / graph.n
    return float(np.abs(np.linalg.eigvalsh(square)).max())


def edge_weight(graph: Decomposition, probabilities: np.ndarray) -> float:
    """The weight in (0, 1/max degree] with the smallest expected contraction, a convex function of it.

    Up to 1/max degree no self weight is negative, whichever matchings a round uses.
    """
    from scipy.optimize import minimize_scalar

    degree = graph.laplacian(np.ones(graph.size)).diagonal().max()
    found = minimize_scalar(
        lambda weight: expected_contraction(graph, probabilities, weight),
        bounds=(0.0, 1.0 / degree), method="bounded", options={"xatol": 1e-8},
    )  # fmt: skip
    return float(found.x)
