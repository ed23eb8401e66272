"""What the generators share: sizes, plain graphs, and random graphs drawn until they are connected."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from swarmsim.lazy import networkx
from swarmsim.rng import seed_for
from swarmsim.types import InputError

__all__ = ["connected_draw", "directed_graph", "institutions", "undirected_graph"]


def institutions(n: int | None) -> int:
    """n itself, once it is known to be at least 1."""
    if n is None:
        raise InputError("topology: the number of institutions n is not known; only `use: file` brings its own")
    if n < 1:
        raise InputError(f"topology: n = {n} institutions, but n >= 1 is needed")
    return n


def undirected_graph(n: int, edges: Iterable[tuple[int, int]]) -> networkx.Graph:
    """Nodes 0..n-1 and the edges in ascending order; double edges merged, self loops left out."""
    return _filled(networkx.Graph(), n, {(min(a, b), max(a, b)) for a, b in edges})


def directed_graph(n: int, arcs: Iterable[tuple[int, int]]) -> networkx.DiGraph:
    """As `undirected_graph`, with arcs (src, dst)."""
    return _filled(networkx.DiGraph(), n, set(arcs))


def _filled(graph: networkx.Graph, n: int, edges: set[tuple[int, int]]) -> networkx.Graph:
    graph.add_nodes_from(range(n))
    graph.add_edges_from(sorted((a, b) for a, b in edges if a != b))
    return graph


def connected_draw(
    draw: Callable[[int], networkx.Graph], n: int, seed: int, name: str, redraw: int, hint: str
) -> networkx.Graph:
    """The first connected graph among draw(s_0), ..., draw(s_redraw), each s_k an addressed 32-bit seed."""
    for k in range(redraw + 1):
        graph = draw(seed_for(seed, "topology", name, k) % 2**32)
        if networkx.is_connected(graph):
            return undirected_graph(n, graph.edges)
    raise InputError(f"topology {name}: none of {redraw + 1} draws on n = {n} institutions is connected; {hint}")
