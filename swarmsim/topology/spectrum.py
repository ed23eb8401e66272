"""How fast and how fairly mixing matrices average: pure functions of W, with J = 11^T/n.

Dense linear algebra up to n = 1500, sparse Lanczos beyond (W is then never formed as n x n numbers).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swarmsim.topology.sparse import largest_singular, matrix, smallest_real, symmetric_ends
from swarmsim.types import Mixing

__all__ = ["connected", "doubly_stochastic", "lambda_min", "period_product_error", "rho", "spectral_gap"]

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
    product = np.eye(n)
    for mixing in period:
        product = mixing.dense() @ product
    return float(np.linalg.norm(product - 1.0 / n, 2))


def connected(mixing: Mixing) -> bool:
    """Whether what any institution holds reaches every other (strongly connected) over positive weights."""
    from scipy.sparse.csgraph import connected_components

    return connected_components(matrix(mixing) > 0, directed=True, connection="strong")[0] == 1


def doubly_stochastic(mixing: Mixing, tolerance: float = 1e-12) -> bool:
    """Whether W >= 0 and all rows and columns sum to 1: mixing then keeps the mean."""
    rows = np.add.reduceat(mixing.weights, mixing.starts[:-1])
    columns = np.bincount(mixing.columns, mixing.weights, mixing.n)
    return bool(mixing.weights.min() >= 0 and max(abs(rows - 1).max(), abs(columns - 1).max()) <= tolerance)


def _symmetric(mixing: Mixing) -> bool:
    sparse = matrix(mixing)
    return abs(sparse - sparse.T).max() == 0
