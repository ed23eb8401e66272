"""Whether everybody learns from everybody."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.lazy import networkx
from swarmsim.types import InputError

__all__ = ["check_connected"]

SHOWN = 6


def check_connected(graph: networkx.Graph | networkx.DiGraph, names: Sequence[str], rounds: int = 1) -> None:
    """Raise InputError with the names of the components if some institution cannot be reached from another.

    `rounds`: the graph is the union over so many rounds of a topology that changes.
    """
    find = networkx.strongly_connected_components if graph.is_directed() else networkx.connected_components
    components = sorted((sorted(part) for part in find(graph)), key=lambda part: (-len(part), part))
    if len(components) > 1:
        kind = "strongly connected" if graph.is_directed() else "connected"
        what = "the graph" if rounds == 1 else f"the union of the graphs of {rounds} rounds"
        listed = "; ".join("{" + _shortened([names[i] for i in part]) + "}" for part in components[:SHOWN])
        more = f"; and {len(components) - SHOWN} more" if len(components) > SHOWN else ""
        raise InputError(
            f"topology: {what} is not {kind}: {len(components)} components instead of 1, {listed}{more}. "
            "Institutions of different components never learn from each other; "
            "add an edge between them or choose another topology"
        )


def _shortened(names: Sequence[str]) -> str:
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
