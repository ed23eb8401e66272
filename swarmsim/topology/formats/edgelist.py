"""Topology files as lists of edges."""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from swarmsim.lazy import networkx
from swarmsim.topology.formats.network import LINK, add_link, new_network
from swarmsim.types import InputError

__all__ = ["read_edgelist"]


def read_edgelist(source: str, where: str) -> list[networkx.Graph]:
    """One undirected edge a line: `a b [latency [bandwidth]]`; # begins a comment. One graph."""
    lines = [(k, line.split("#", 1)[0].split()) for k, line in enumerate(source.splitlines(), start=1)]
    edges = [(k, words) for k, words in lines if words]
    for k, words in edges:
        if not 2 <= len(words) <= 4:
            raise InputError(f"{where}:{k}: an edge is `a b [latency [bandwidth]]`, 2 to 4 words, got {len(words)}")
    number = {name: i for i, name in enumerate(dict.fromkeys(name for _, words in edges for name in words[:2]))}
    graph = new_network([{"name": name} for name in number], False, _failing(f"{where}: "))
    for k, (src, dst, *figures) in edges:
        _add(graph, number, (src, dst), figures, f"{where}:{k}: ")
    return [graph]


def _failing(place: str) -> Callable[[str], NoReturn]:
    def fail(message: str) -> NoReturn:
        raise InputError(place + message)

    return fail


def _add(graph: networkx.Graph, number: dict[str, int], ends: tuple[str, str], figures: list[str], line: str) -> None:
    fail = _failing(line)
    try:
        link = {key: float(figure) for key, figure in zip(LINK, figures, strict=False)}
    except ValueError:
        shown = "".join(c if c.isprintable() else "?" for c in " ".join(figures)[:60])
        fail(f"latency and bandwidth must be numbers, got {shown}")
    add_link(graph, number, ends, link, fail)
