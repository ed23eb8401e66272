"""What the generators share: sizes, plain graphs, and random graphs drawn until they are connected."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from swarmsim.lazy import networkx
from swarmsim.rng import seed_for
from swarmsim.types import InputError

__all__ = [
    "connected_draw", "dimension", "directed_graph", "from_weights", "institutions", "same_nodes", "undirected_graph",
    "union",
]  # fmt: skip


def institutions(n: int | None) -> int:
    """n itself, once it is known to be at least 1."""
    if n is None:
        raise InputError("topology: the number of institutions n is not known; only `use: file` brings its own")
    if n < 1:
        raise InputError(f"topology: n = {n} institutions, but n >= 1 is needed")
    return n


def dimension(n: int | None, name: str, *others: str) -> int:
    """d of n = 2^d; InputError that names topologies for any n."""
    d = institutions(n).bit_length() - 1
    if n != 2**d:
        raise InputError(
            f"topology {name}: n = {n} institutions, but n = 2^d is needed; the nearest are {2**d} and "
            f"{2 ** (d + 1)}, and `use: {others[0]}` or `use: {others[1]}` takes any n"
        )
    return d


def undirected_graph(n: int, edges: Iterable[tuple[int, int]]) -> networkx.Graph:
    """Nodes 0..n-1 and the edges in ascending order; double edges merged, self loops left out."""
    return _filled(networkx.Graph(), n, {(min(a, b), max(a, b)) for a, b in edges})


def directed_graph(n: int, arcs: Iterable[tuple[int, int]]) -> networkx.DiGraph:
    """As `undirected_graph`, with arcs (src, dst)."""
    return _filled(networkx.DiGraph(), n, set(arcs))


def from_weights(n: int, edges: Iterable[tuple[int, int, float]], directed: bool = False) -> networkx.Graph:
    """Nodes 0..n-1 and edges (src, dst, weight): dst gives src that weight; of a double edge the weights add up."""
    graph = networkx.DiGraph() if directed else networkx.Graph()
    graph.add_nodes_from(range(n))
    for a, b, weight in sorted(edges):
        graph.add_edge(a, b, weight=weight + (graph.edges[a, b]["weight"] if graph.has_edge(a, b) else 0.0))
    return graph


def _filled(graph: networkx.Graph, n: int, edges: set[tuple[int, int]]) -> networkx.Graph:
    graph.add_nodes_from(range(n))
    graph.add_edges_from(sorted((a, b) for a, b in edges if a != b))
    return graph


def same_nodes(graph: networkx.Graph) -> networkx.Graph:
    """A graph without edges on the nodes of another, with their attributes."""
    empty = graph.__class__()
    empty.add_nodes_from(graph.nodes(data=True))
    return empty


def union(graphs: Sequence[networkx.Graph]) -> networkx.Graph:
    """Every edge that any of the graphs has, with its latency and bandwidth; weights belong to single graphs."""
    if len(graphs) == 1:
        return graphs[0]
    merged = same_nodes(graphs[0])
    for graph in graphs:
        for a, b, data in graph.edges(data=True):
            merged.add_edge(a, b, **{key: value for key, value in data.items() if key != "weight"})
    return merged


def connected_draw(
    draw: Callable[[int], networkx.Graph], n: int, seed: int, name: str, redraw: int, hint: str
) -> networkx.Graph:
    """The first connected graph among draw(s_0), ..., draw(s_redraw), each s_k an addressed 32-bit seed."""
    for k in range(redraw + 1):
        graph = draw(seed_for(seed, "topology", name, k) % 2**32)
        if networkx.is_connected(graph):
            return undirected_graph(n, graph.edges)
    raise InputError(f"topology {name}: none of {redraw + 1} draws on n = {n} institutions is connected; {hint}")
