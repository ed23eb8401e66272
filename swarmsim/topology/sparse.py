"""Extreme eigenvalues and singular values of large sparse mixing matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from swarmsim.rng import stream
from swarmsim.types import InputError, Mixing

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["largest_singular", "matrix", "smallest_real", "symmetric_ends"]

LANCZOS = {"k": 1, "ncv": 64, "tol": 1e-10, "return_eigenvectors": False}


def matrix(mixing: Mixing) -> csr_array:
    """W as a scipy matrix."""
    from scipy.sparse import csr_array

    return csr_array((mixing.weights, mixing.columns, mixing.starts), shape=(mixing.n, mixing.n))


def symmetric_ends(w: csr_array) -> tuple[float, float]:
    """Smallest eigenvalue of a symmetric stochastic W, and the largest beside that of the constant vector.

    Lanczos first; where a small gap stops it (rings, paths, grids), shift and invert from just outside the
    spectrum: above 1, and below Gershgorin's bound min(2 w_ii - 1).
    """
    from scipy.sparse.linalg import eigsh

    start = _start(w)
    bound = float((2 * w.diagonal() - 1).min())
    deviation = _operator(w.shape[0], lambda x: w @ x - x.mean())
    low = _converged(
        lambda: eigsh(w, which="SA", v0=start, maxiter=10, **LANCZOS)[0],
        lambda: eigsh(w.tocsc(), k=1, sigma=bound - 1e-6, v0=start, return_eigenvectors=False)[0],
    )
    high = _converged(
        lambda: eigsh(deviation, which="LA", v0=start, maxiter=10, **LANCZOS)[0],
        lambda: min(eigsh(w.tocsc(), k=2, sigma=1 + 1e-8, v0=start, return_eigenvectors=False)),
    )
    return low, high


def largest_singular(period: Sequence[csr_array]) -> float:
    """||W_p ... W_1 - J||_2."""
    from scipy.sparse.linalg import eigsh

    def squared(x: np.ndarray) -> np.ndarray:
        y = x
        for w in period:
            y = w @ y
        y = z = y - x.mean()
        for w in reversed(period):
            z = w.T @ z
        return z - y.mean()

    gram = _operator(period[0].shape[0], squared)
    square = _converged(lambda: eigsh(gram, which="LA", v0=_start(period[0]), maxiter=100, **LANCZOS)[0])
    return max(square, 0.0) ** 0.5


def smallest_real(w: csr_array) -> float:
    """Smallest real part among the eigenvalues of any W."""
    from scipy.sparse.linalg import eigs

    return _converged(lambda: eigs(w, which="SR", v0=_start(w), maxiter=100, **LANCZOS)[0].real)


def _start(w: csr_array) -> np.ndarray:
    return stream(0, "spectrum").standard_normal(w.shape[0])


def _operator(n: int, product: Callable[[np.ndarray], np.ndarray]):
    from scipy.sparse.linalg import LinearOperator

    return LinearOperator((n, n), matvec=lambda x: product(np.ravel(x)), dtype=np.float64)


def _converged(*attempts: Callable[[], float]) -> float:
    from scipy.sparse.linalg import ArpackNoConvergence

    for attempt in attempts:
        try:
            return float(attempt())
        except ArpackNoConvergence:
            continue
    raise InputError(
        "topology: the spectrum of this large graph did not converge (its gap is tiny and W is not symmetric); "
        "write weights: metropolis on an undirected graph, or look at fewer than 1500 institutions"
    )
