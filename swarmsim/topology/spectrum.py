"""How fast and how fairly mixing matrices average: pure functions of W, with J = 11^T/n.

Dense linear algebra up to n = 1500, sparse Lanczos beyond (W is then never formed as n x n numbers).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from swarmsim.topology.sparse import largest_singular, matrix, smallest_real, symmetric_ends
from swarmsim.types import Mixing

__all__ = [
    "connected", "doubly_stochastic", "effective_neighbours", "lambda_min", "period_product_error", "perron", "rho",
    "spectral_gap", "stochastic",
]  # fmt: skip

DENSE = 1500


def rho(mixing: Mixing) -> float:
    """||W - J||_2: one round shrinks the consensus distance at least by this factor. 0 for n = 1 and W = J.

    Above 1 only if W is not doubly stochastic; 1 if the graph is not connected.
    """
    return period_product_error([mixing])


def spectral_gap(mixing: Mixing) -> float:
    """1 - rho."""
    return 1.0 - rho(mixing)


def lambda_min(mixing: Mixing) -> float:
    """The smallest real part among the eigenvalues of W: D2 and exact diffusion need more than -1/3."""
    if mixing.n > DENSE:
        sparse = matrix(mixing)
        return symmetric_ends(sparse)[0] if _symmetric(mixing) else smallest_real(sparse)
    dense = mixing.dense()
    if _symmetric(mixing):
        return float(np.linalg.eigvalsh(dense)[0])
    return float(np.linalg.eigvals(dense).real.min())


def period_product_error(period: Sequence[Mixing]) -> float:
    """||W_p ... W_2 W_1 - J||_2 for the matrices of one period in the order of the rounds; 0: exact averaging."""
    n = period[0].n
    if n > DENSE and len(period) == 1 and _symmetric(period[0]):
        return max(abs(end) for end in symmetric_ends(matrix(period[0])))
    if n > DENSE:
        return largest_singular([matrix(mixing) for mixing in period])
    return float(np.linalg.norm(_product(period) - 1.0 / n, 2))


def connected(mixing: Mixing) -> bool:
    """Whether what any institution holds reaches every other (strongly connected) over positive weights."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(matrix(mixing) > 0, directed=True, connection="strong")[0] == 1


def doubly_stochastic(mixing: Mixing, tolerance: float = 1e-12) -> bool:
    """Whether W >= 0 and all rows and columns sum to 1: mixing then keeps the mean."""
    return bool(mixing.weights.min() >= 0 and stochastic(mixing, tolerance) == "doubly")


def stochastic(mixing: Mixing, tolerance: float = 1e-12) -> str:
    """Which sums of W are 1: `doubly`, `rows` (constants stay), `columns` (the mean stays) or `neither`."""
    rows = np.add.reduceat(mixing.weights, mixing.starts[:-1])
    columns = np.bincount(mixing.columns, mixing.weights, mixing.n)
    by_rows, by_columns = (abs(sums - 1).max() <= tolerance for sums in (rows, columns))
    if by_rows and by_columns:
        return "doubly"
    return "rows" if by_rows else "columns" if by_columns else "neither"


def perron(period: Sequence[Mixing]) -> np.ndarray:
    """pi [n] with pi^T W_p ... W_1 = pi^T, sum pi = 1: how much the start of each institution counts in the end.

    1/n for doubly stochastic W; unique if rows sum to 1 and all institutions reach each other. Up to n = 1500.
    """
    product = _product(period)
    equations = np.vstack([product.T - np.eye(len(product)), np.ones(len(product))])
    return np.linalg.lstsq(equations, np.eye(len(equations))[-1], rcond=None)[0]


def effective_neighbours(period: Sequence[Mixing], gamma: float) -> float:
    """How many institutions average away noise as these do: n for W = J, 1 for W = I; the larger gamma, the longer.

    Each round x <- W(sqrt(gamma) x + noise of variance 1). Alone, the variance settles at 1/(1 - gamma); the answer is
    that over the mean variance of the institutions, averaged over the rounds of a period that repeats. Symmetric static
    W with eigenvalues l_i: n_eff = 1/(1 - gamma) / (1/n sum_i l_i^2/(1 - gamma l_i^2)). Up to n = 1500.

    Reference: Vogels, Hendrikx and Jaggi, Beyond spectral gap: The role of the topology in decentralized learning,
    arXiv:2206.03093.
    """
    matrices = [mixing.dense() for mixing in period]
    eye = np.eye(period[0].n)

    def rounds(covariance: np.ndarray) -> Iterator[np.ndarray]:
        for w in matrices:
            covariance = w @ (gamma * covariance + eye) @ w.T
            yield covariance

    *_, settled = rounds(np.zeros_like(eye))
    step, damping = _product(period), gamma ** len(period)
    while damping > 1e-18:
        settled = settled + damping * step @ settled @ step.T
        step, damping = step @ step, damping**2
    variance = np.mean([covariance.trace() for covariance in rounds(settled)]) / len(eye)
    return float(1 / (1 - gamma) / variance)


def _product(period: Sequence[Mixing]) -> np.ndarray:
    product = np.eye(period[0].n)
    for mixing in period:
        product = mixing.dense() @ product
    return product


def _symmetric(mixing: Mixing) -> bool:
    sparse = matrix(mixing)
    return abs(sparse - sparse.T).max() == 0
