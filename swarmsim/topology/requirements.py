"""What a method needs of a mixing matrix, checked before anything is trained."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from swarmsim.lazy import networkx
from swarmsim.topology.series import Series
from swarmsim.topology.spectrum import lambda_min, stochastic
from swarmsim.types import InputError, Mixing

__all__ = ["BIASED", "check_requirements"]

LOWEST = -1 / 3
BIASED = ("uniform", "sample")  # weights that are asked for by name although W then averages with other weights


def check_requirements(wanted: Sequence[str], series: Series, weights: str, label: str) -> None:
    """InputError, naming method and reason, for a series whose W a method would diverge or be biased on.

    doubly_stochastic: rows and columns of every W sum to 1, unless the weights are biased by their name (on a directed
    graph that is no choice, so it does not count). symmetric: W = W^T. lambda_min: no eigenvalue of a W at or below
    -1/3. tree: connected without a cycle. static: one W for all rounds. column_stochastic is provided, not checked.
    """
    for name in wanted:
        rule = _RULES.get(name)
        if rule is not None and (reason := rule(series, weights)):
            raise InputError(f"{label}: {reason}")


def _doubly(series: Series, weights: str) -> str | None:
    if weights in BIASED and not series.network.is_directed():
        return None
    for mixing in series.mixings:
        if (found := stochastic(mixing, 1e-9)) != "doubly":
            columns = np.bincount(mixing.columns, mixing.weights, mixing.n)
            words = {"rows": "its rows alone sum to 1", "columns": "its columns alone sum to 1"}
            return (
                f"needs a doubly stochastic W, and of this topology {words.get(found, 'neither rows nor columns do')} "
                f"(column sums from {columns.min():.3g} to {columns.max():.3g}): the average would drift to a weighted "
                "one. Use swarm/push_sum on directed graphs, or weights: metropolis on undirected ones"
            )
    return None


def _symmetric(series: Series, weights: str) -> str | None:
    if all(_is_symmetric(mixing) for mixing in series.mixings):
        return None
    return "needs a symmetric W: an undirected graph with weights: metropolis, max_degree or laplacian"


def _is_symmetric(mixing: Mixing) -> bool:
    rows = np.repeat(np.arange(mixing.n), np.diff(mixing.starts))
    order = np.lexsort((rows, mixing.columns))
    same = np.array_equal(mixing.columns[order], rows) and np.array_equal(rows[order], mixing.columns)
    return bool(same and np.allclose(mixing.weights[order], mixing.weights, rtol=0, atol=1e-12))


def _lowest(series: Series, weights: str) -> str | None:
    lowest = min(lambda_min(mixing) for mixing in series.mixings)
    if lowest > LOWEST + 1e-9:
        return None
    return (
        f"diverges on this W, whose smallest eigenvalue is {lowest:.6f} and must be above -1/3; write lazy: true, "
        "which uses (I + W)/2"
    )


def _tree(series: Series, weights: str) -> str | None:
    graph = series.network
    if not graph.is_directed() and networkx.is_tree(graph):
        return None
    edges, n = graph.number_of_edges(), graph.number_of_nodes()
    return f"needs a tree, {n - 1} edges without a cycle, this graph has {edges}; use tree, random_tree, path or star"


def _static(series: Series, weights: str) -> str | None:
    if len(series.mixings) == 1:
        return None
    return "needs the same graph in every round, and this topology changes; use a static one"


_RULES: dict[str, Callable[[Series, str], str | None]] = {
    "doubly_stochastic": _doubly, "symmetric": _symmetric, "lambda_min": _lowest, "tree": _tree, "static": _static,
}  # fmt: skip
