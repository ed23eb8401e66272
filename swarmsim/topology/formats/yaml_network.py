"""Topology files in YAML; the format is documented in topologies/README.md."""

from __future__ import annotations

from functools import partial

import yaml

from swarmsim.lazy import networkx
from swarmsim.topology.formats.document import compose, fail, flag, mapping, number, sequence, text
from swarmsim.topology.formats.network import LINK, add_link, new_network

__all__ = ["read_yaml"]


def read_yaml(source: str, where: str) -> list[networkx.Graph | networkx.DiGraph]:
    """The graphs of a YAML topology, one for `edges`, one for each of `steps`; InputError with file:line:column."""
    root = compose(source, where)
    lists = "steps" if _has(root, "steps") else "edges"
    document = mapping(root, ("nodes", lists), ("name", "description", "directed"))
    for key in ("name", "description"):
        if key in document:
            text(document[key], key)
    nodes, numbered = _nodes(document["nodes"])
    directed = "directed" in document and flag(document["directed"], "directed")
    steps = sequence(document["steps"], "lists of edges") if lists == "steps" else [document["edges"]]
    if not steps:
        fail(document["steps"], "at least one step is needed, a list of edges")
    graphs = []
    for step in steps:
        graphs.append(new_network(nodes, directed, partial(fail, document["nodes"])))
        for place in sequence(step, "edges"):
            _edge(graphs[-1], numbered, place)
    return graphs


def _has(root: yaml.Node, key: str) -> bool:
    return isinstance(root, yaml.MappingNode) and any(name.value == key for name, _ in root.value)


def _nodes(place: yaml.Node) -> tuple[list[dict], dict[str, int]]:
    """The nodes, and the number of each name."""
    places = sequence(place, "nodes")
    nodes = [_node(item) for item in places]
    numbered: dict[str, int] = {}
    for i, item in enumerate(places):
        if numbered.setdefault(nodes[i]["name"], i) != i:
            fail(item, f"a second node is called {nodes[i]['name']!r}; names must differ")
    return nodes, numbered


def _node(place: yaml.Node) -> dict:
    values = mapping(place, ("name",), ("role", "coordinates"))
    node = {key: text(values[key], key) for key in ("name", "role") if key in values}
    if "coordinates" in values:
        node["coordinates"] = _coordinates(values["coordinates"])
    return node


def _coordinates(place: yaml.Node) -> tuple[float, ...]:
    degrees = tuple(number(item, "a coordinate") for item in sequence(place, "two numbers"))
    if len(degrees) != 2 or abs(degrees[0]) > 90 or abs(degrees[1]) > 180:
        fail(place, "coordinates must be [latitude, longitude] in degrees, within [-90, 90] and [-180, 180]")
    return degrees


def _edge(graph: networkx.Graph, numbered: dict[str, int], place: yaml.Node) -> None:
    values = mapping(place, ("src", "dst"), (*LINK, "weight"))
    ends = text(values["src"], "src"), text(values["dst"], "dst")
    link = {key: number(values[key], key) for key in (*LINK, "weight") if key in values}
    add_link(graph, numbered, ends, link, partial(fail, place))
