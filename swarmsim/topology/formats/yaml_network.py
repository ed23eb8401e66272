"""Topology files in YAML; the format is documented in topologies/README.md."""

from __future__ import annotations

from functools import partial

import yaml

from swarmsim.lazy import networkx
from swarmsim.topology.formats.document import compose, fail, flag, mapping, number, sequence, text
from swarmsim.topology.formats.network import LINK, add_link, new_network

__all__ = ["read_yaml"]


def read_yaml(source: str, where: str) -> networkx.Graph | networkx.DiGraph:
    """The graph of a YAML topology; InputError with file:line:column for anything else."""
    document = mapping(compose(source, where), ("nodes", "edges"), ("name", "description", "directed"))
    for key in ("name", "description"):
        if key in document:
            text(document[key], key)
    places = sequence(document["nodes"], "nodes")
    nodes = [_node(place) for place in places]
    directed = "directed" in document and flag(document["directed"], "directed")
    graph = new_network(nodes, directed, partial(fail, document["nodes"]))
    numbered: dict[str, int] = {}
    for i, place in enumerate(places):
        if numbered.setdefault(nodes[i]["name"], i) != i:
            fail(place, f"a second node is called {nodes[i]['name']!r}; names must differ")
    for place in sequence(document["edges"], "edges"):
        _edge(graph, numbered, place)
    return graph


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
    values = mapping(place, ("src", "dst"), LINK)
    ends = text(values["src"], "src"), text(values["dst"], "dst")
    link = {key: number(values[key], key) for key in LINK if key in values}
    add_link(graph, numbered, ends, link, partial(fail, place))
