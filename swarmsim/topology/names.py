"""How the nodes of a topology file meet the institutions."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.lazy import networkx
from swarmsim.topology.guess import nearest
from swarmsim.types import InputError

__all__ = ["by_name"]


def by_name(graph: networkx.Graph, names: Sequence[str] | None) -> networkx.Graph:
    """The graph with node i named as the i-th institution; as it is if no node has the name of an institution.

    InputError if only some have.
    """
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
