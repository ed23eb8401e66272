"""From a graph to the mixing matrix W: x_i <- sum_j W_ij x_j, where W_ij != 0 only if j sends to i (or j = i)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from swarmsim.lazy import networkx
from swarmsim.topology.laplacian import best_constant
from swarmsim.types import InputError, Mixing

__all__ = ["mixing", "push_mixing"]

ROUNDING = 1e-12


class Links(NamedTuple):
    """Who hears whom: (receiver, sender) of every arc and of the diagonal, sorted; degree: arcs that end at i."""

    rows: np.ndarray
    columns: np.ndarray
    degree: np.ndarray

    @property
    def starts(self) -> np.ndarray:
        return np.concatenate([[0], np.cumsum(self.degree + 1)])


def mixing(
    graph: networkx.Graph | networkx.DiGraph, weights: str = "metropolis", sizes: Sequence[int] | None = None
) -> Mixing:
    """W of a graph on nodes 0..n-1, with d_i the number of institutions that send to i.

    metropolis: w_ij = 1/(1 + max(d_i, d_j)): symmetric and doubly stochastic on every undirected graph.
    max_degree: w_ij = 1/(1 + max d): the same with one weight for all edges.
    laplacian: W = I - a L with the a that makes rho smallest (`laplacian.best_constant`); self weights may be negative.
    uniform: w_ij = 1/(1 + d_i): doubly stochastic only if all d are equal; otherwise the average is biased, on an
    undirected graph institution i gets mass (d_i + 1)/sum.
    sample: w_ij = min(1, p_j/p_i)/(1 + max(d_i, d_j)) for p proportional to `sizes`: p_i w_ij = p_j w_ji, hence
    p^T W = p^T: the average counts every example once. Equal sizes: metropolis.
    given: w_ij is the attribute `weight` of the edge.
    In all, w_ii = 1 - sum of the others, rounded once, so rows sum to 1 within one rounding. On a directed graph rows
    sum to 1 and columns need not: `spectrum.stochastic` says. n = 1: W = [1]. InputError for laplacian and sample on
    directed graphs, for sizes that are missing or 0, and for given weights that are not positive or add up to more
    than 1.

    Reference: Xiao and Boyd, Fast linear iterations for distributed averaging, 2004 (laplacian, max_degree); Xiao, Boyd
    and Lall, A scheme for robust distributed sensor fusion, IPSN 2005 (metropolis); Hastings, Biometrika 1970 (sample).
    """
    links = _links(graph)
    values = RULES[weights](graph, links, sizes)
    values[links.rows == links.columns] = 0.0
    own = [1.0 - math.fsum(row.tolist()) for row in np.split(values, links.starts[1:-1])]
    values[links.rows == links.columns] = [0.0 if -ROUNDING < value < 0 else value for value in own]
    return Mixing(len(links.degree), links.starts, links.columns, values)


def push_mixing(graph: networkx.Graph | networkx.DiGraph) -> Mixing:
    """The column-stochastic W of push-sum: each sender divides evenly, w_ij = 1/(1 + number that j sends to).

    No mass is lost on any graph, directed or not: columns sum to 1, rows need not. Equal to `uniform` where all
    institutions hear, and send to, equally many.

    Reference: Kempe, Dobra and Gehrke, Gossip-based computation of aggregate information, FOCS 2003.
    """
    links = _links(graph)
    sent = np.bincount(links.columns, minlength=len(links.degree))
    return Mixing(len(links.degree), links.starts, links.columns, 1.0 / sent[links.columns])


def _links(graph: networkx.Graph) -> Links:
    n = graph.number_of_nodes()
    src, dst = np.array(list(graph.edges), dtype=np.int64).reshape(-1, 2).T
    if not graph.is_directed():
        src, dst = np.concatenate([src, dst]), np.concatenate([dst, src])
    rows, columns = np.concatenate([dst, np.arange(n)]), np.concatenate([src, np.arange(n)])
    order = np.lexsort((columns, rows))
    return Links(rows[order], columns[order], np.bincount(rows, minlength=n) - 1)


def _metropolis(graph: networkx.Graph, links: Links, sizes: Sequence[int] | None) -> np.ndarray:
    return 1.0 / (1.0 + np.maximum(links.degree[links.rows], links.degree[links.columns]))


def _max_degree(graph: networkx.Graph, links: Links, sizes: Sequence[int] | None) -> np.ndarray:
    return np.full(len(links.rows), 1.0 / (1.0 + links.degree.max()))


def _uniform(graph: networkx.Graph, links: Links, sizes: Sequence[int] | None) -> np.ndarray:
    return 1.0 / (1.0 + links.degree[links.rows])


def _laplacian(graph: networkx.Graph, links: Links, sizes: Sequence[int] | None) -> np.ndarray:
    _undirected(graph, "laplacian")
    return np.full(len(links.rows), best_constant(graph))


def _sample(graph: networkx.Graph, links: Links, sizes: Sequence[int] | None) -> np.ndarray:
    _undirected(graph, "sample")
    if sizes is None or len(sizes) != len(links.degree):
        given = "none are given" if sizes is None else f"{len(sizes)} are given"
        raise InputError(
            f"topology: weights: sample needs the number of examples of each of {len(links.degree)} institutions, "
            f"{given}; write weights: metropolis"
        )
    if min(sizes) < 1:
        raise InputError(
            f"topology: weights: sample, but institution {int(np.argmin(sizes))} (from 0) has no examples, so that "
            "nobody would hear it; leave it out or write weights: metropolis"
        )
    share = np.asarray(sizes, dtype=np.float64)
    return _metropolis(graph, links, None) * np.minimum(1.0, share[links.columns] / share[links.rows])


def _given(graph: networkx.Graph, links: Links, sizes: Sequence[int] | None) -> np.ndarray:
    pairs = zip(links.columns.tolist(), links.rows.tolist(), strict=True)
    values = np.array([0.0 if a == b else graph.edges[a, b].get("weight", math.nan) for a, b in pairs])
    bad = (links.rows != links.columns) & ~((values > 0) & np.isfinite(values))
    if bad.any():
        a, b = (_name(graph, int(side[bad][0])) for side in (links.rows, links.columns))
        raise InputError(
            f"topology: weights: given, but {a} has no weight above 0 for what it hears from {b}; give "
            "every edge one, or write weights: metropolis"
        )
    heard = np.add.reduceat(values, links.starts[:-1])
    if heard.max() > 1 + ROUNDING:
        i = int(heard.argmax())
        raise InputError(
            f"topology: weights: given, but the weights of what {_name(graph, i)} hears add up to {heard[i]:.6g}; "
            "at most 1 is needed, the rest is the weight of its own value"
        )
    return values


def _name(graph: networkx.Graph, i: int) -> str:
    return repr(graph.nodes[i].get("name", str(i)))


def _undirected(graph: networkx.Graph, weights: str) -> None:
    if graph.is_directed():
        raise InputError(
            f"topology: weights: {weights} needs an undirected graph, this one is directed; write weights: uniform, "
            "or choose an undirected topology"
        )


RULES = {
    "metropolis": _metropolis, "max_degree": _max_degree, "laplacian": _laplacian, "uniform": _uniform,
    "sample": _sample, "given": _given,
}  # fmt: skip
