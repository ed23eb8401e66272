"""A network as data, whatever format it was read from: named nodes, links with latency and bandwidth."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isfinite
from typing import NoReturn

from swarmsim.lazy import networkx
from swarmsim.topology.guess import nearest

__all__ = ["LINK", "add_link", "new_network"]

LONGEST = 200  # characters of a node's name
LINK = ("latency", "bandwidth")


def new_network(
    nodes: Sequence[dict], directed: bool, fail: Callable[[str], NoReturn]
) -> networkx.Graph | networkx.DiGraph:
    """Nodes 0..n-1 in the order given, at least one; each has a printable attribute `name`."""
    if not nodes:
        fail("at least one node is needed")
    for node in nodes:
        if not node["name"].strip() or not node["name"].isprintable():
            fail(f"the node name {node['name'][:60]!a} is empty or has characters that cannot be printed")
        if len(node["name"]) > LONGEST:
            fail(f"the node name {node['name'][:60]!r}... has {len(node['name'])} characters; {LONGEST} are allowed")
    graph = networkx.DiGraph() if directed else networkx.Graph()
    graph.add_nodes_from(enumerate(nodes))
    return graph


def add_link(
    graph: networkx.Graph, number: dict[str, int], ends: tuple[str, str], link: dict, fail: Callable[[str], NoReturn]
) -> None:
    """Join two named nodes; `number` gives the node of a name."""
    for name in ends:
        if name not in number:
            fail(f"no node is called {name[:60]!r}{nearest(name, number)}; list it under nodes or correct the edge")
    src, dst = (number[name] for name in ends)
    if src == dst:
        fail(f"an edge from {ends[0]!r} to itself; leave it out, every institution hears itself anyway")
    if graph.has_edge(src, dst):
        fail(f"a second edge between {ends[0]!r} and {ends[1]!r}; keep one")
    _check_link(link, fail)
    graph.add_edge(src, dst, **link)


def _check_link(link: dict, fail: Callable[[str], NoReturn]) -> None:
    """Latency is at least 0 seconds, bandwidth more than 0 bytes/second, both finite, weight in (0, 1]."""
    latency, bandwidth, weight = link.get("latency", 0.0), link.get("bandwidth", 1.0), link.get("weight", 1.0)
    if not (latency >= 0 and isfinite(latency)):
        fail(f"latency = {latency:g}, but latency >= 0 seconds is needed")
    if not (bandwidth > 0 and isfinite(bandwidth)):
        fail(f"bandwidth = {bandwidth:g}, but bandwidth > 0 bytes/second is needed; to cut a link, leave it out")
    if not 0 < weight <= 1:
        fail(f"weight = {weight:g}, but 0 < weight <= 1 is needed")
