"""The entry: from a topology's arguments to the connected graph and its mixing matrix."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.describe import check_connected
from swarmsim.topology.guess import nearest
from swarmsim.topology.mixing import mixing
from swarmsim.types import InputError, Mixing

__all__ = ["build"]


def build(
    topology: Topology, n: int | None, seed: int, names: Sequence[str] | None = None
) -> tuple[networkx.Graph | networkx.DiGraph, Mixing]:
    """The graph on 0..n-1, where node i is the i-th institution, and W.

    If the nodes of a topology file carry exactly the institutions' names, in any order, nodes follow the names; if no
    name is the same, nodes follow the file's order. InputError if the numbers differ, if only some names are the same,
    or if the graph is not connected.
    """
    n = len(names) if n is None and names is not None else n
    if names is not None and len(names) != n:
        raise InputError(f"topology: n = {n}, but {len(names)} institutions are named")
    graph = _by_name(topology.graph(n, seed), names)
    given = names or [str(graph.nodes[i].get("name", i)) for i in range(len(graph))]
    check_connected(graph, given)
    return graph, mixing(graph, topology.weights)


def _by_name(graph: networkx.Graph, names: Sequence[str] | None) -> networkx.Graph:
    node_of = {data["name"]: node for node, data in graph.nodes(data=True) if "name" in data}
    shared = set(node_of) & set(names or ())
    if not shared:
        return graph
    _refuse_partial(node_of, names)
    ordered = graph.__class__(**graph.graph)
    ordered.add_nodes_from((i, graph.nodes[node_of[name]]) for i, name in enumerate(names))
    number = {node_of[name]: i for i, name in enumerate(names)}
    ordered.add_edges_from((number[a], number[b], data) for a, b, data in graph.edges(data=True))
    return ordered


def _refuse_partial(node_of: dict[str, int], names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in node_of]
    if unknown:
        free = [name for name in node_of if name not in names]
        raise InputError(
            f"topology file: {len(names) - len(unknown)} of {len(names)} institutions are nodes of the file, but not "
            f"{unknown[0]!r}{nearest(unknown[0], free)}; nodes without an institution: {', '.join(free)}. "
            "Name all nodes as the institutions, or none (then the order of the file counts)"
        )
