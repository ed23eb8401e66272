"""Groups of institutions whose classes are those of everybody: the greedy swaps of D-Cliques."""

from __future__ import annotations

import numpy as np

from swarmsim.rng import stream
from swarmsim.types import InputError

__all__ = ["representative_cliques", "skew"]


def skew(shares: np.ndarray, clique: list[int]) -> float:
    """sum_c |share of class c in the group - its global share|, of shares [n, classes]; in 0..2."""
    return float(np.abs(shares[clique].mean(0) - shares.mean(0)).sum())


def representative_cliques(counts: np.ndarray, size: int, swaps: int, seed: int) -> tuple[tuple[int, ...], ...]:
    """ceil(n/size) groups of nearly equal size, each institution in one, of counts [n, classes].

    Every institution counts alike, however many examples it has. An attempt takes two random groups and one, at random,
    of the exchanges of two members that make the sum of both skews smaller; the sum over all groups never grows.
    InputError if an institution has no examples.
    """
    counts = np.asarray(counts, dtype=np.float64)
    if not counts.sum(1).all():
        raise InputError(
            f"topology d_cliques: institution {int(counts.sum(1).argmin())} (from 0) has no examples, hence no "
            "classes; leave it out, or write the groups, cliques: [[0, 1], [2, 3]]"
        )
    shares = counts / counts.sum(1, keepdims=True)
    rng = stream(seed, "topology", "d_cliques")
    cliques = [part.tolist() for part in np.array_split(rng.permutation(len(shares)), -(-len(shares) // size))]
    for _ in range(swaps if len(cliques) > 1 else 0):
        a, b = (cliques[k] for k in rng.choice(len(cliques), 2, replace=False))
        better = _better(shares, a, b)
        if len(better):
            i, j = better[rng.integers(len(better))]
            a[i], b[j] = b[j], a[i]
    return tuple(tuple(sorted(clique)) for clique in cliques)


def _better(shares: np.ndarray, a: list[int], b: list[int]) -> np.ndarray:
    """The pairs (place in a, place in b) whose exchange makes skew(a) + skew(b) smaller, by more than rounding."""
    moved = shares[b][None] - shares[a][:, None]
    after = [
        np.abs(shares[group].mean(0) + sign * moved / len(group) - shares.mean(0)).sum(-1)
        for group, sign in ((a, 1), (b, -1))
    ]
    return np.argwhere(sum(after) < skew(shares, a) + skew(shares, b) - 1e-12)
