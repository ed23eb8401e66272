"""Topology files in GraphML, as other graph tools write it."""

from __future__ import annotations

import re
import warnings
from typing import NoReturn
from xml.etree.ElementTree import ParseError

from swarmsim.lazy import networkx
from swarmsim.topology.formats.network import LINK, add_link, new_network
from swarmsim.topology.guess import nearest
from swarmsim.types import InputError

__all__ = ["read_graphml"]


def read_graphml(source: str, where: str) -> list[networkx.Graph | networkx.DiGraph]:
    """The graph of a GraphML file: node attribute `name` (else the id), edge attributes latency and bandwidth.

    Other attributes are left out, unless they look like a misspelt latency or bandwidth. A document type declaration
    is refused: entities declared there could expand without bound.
    """

    def fail(message: str) -> NoReturn:
        raise InputError(f"{where}: {message}")

    declared = re.search(r"<!\s*(DOCTYPE|ENTITY)", source, re.IGNORECASE)
    if declared:
        line = source.count("\n", 0, declared.start()) + 1
        raise InputError(f"{where}:{line}: a {declared[1]} declaration is not allowed in GraphML; delete it")
    read = _parsed(source, fail)
    if read.is_multigraph():
        fail("the same edge is given twice; keep one")
    nodes = [{"name": str(data.get("name", node))} for node, data in read.nodes(data=True)]
    graph = new_network(nodes, read.is_directed(), fail)
    number = {node: i for i, node in enumerate(read)}
    if len({node["name"] for node in nodes}) < len(nodes):
        fail("two nodes have the same name; names must differ")
    for src, dst, data in read.edges(data=True):
        add_link(graph, number, (src, dst), _link(data, f"edge {src} - {dst}: ", fail), fail)
    return [graph]


def _parsed(source: str, fail) -> networkx.Graph:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of types and keys that are left out anyway
            return networkx.parse_graphml(source)
    except ParseError as error:
        fail(f"not XML: {error}")
    except (networkx.NetworkXError, KeyError, ValueError, AttributeError, TypeError, IndexError) as error:
        fail(f"not GraphML: {type(error).__name__}: {error}")


def _link(data: dict, edge: str, fail) -> dict[str, float]:
    misspelt = [(key, nearest(key, LINK)) for key in data if key not in LINK and nearest(key, LINK)]
    if misspelt:
        fail(f"{edge}unknown attribute {misspelt[0][0]!r}{misspelt[0][1]}")
    try:
        return {key: float(data[key]) for key in LINK if key in data}
    except (ValueError, TypeError):
        fail(f"{edge}latency and bandwidth must be numbers")
