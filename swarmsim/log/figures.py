"""Figures for TensorBoard, drawn without pyplot (no global state, no display)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

from swarmsim.lazy import networkx

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LABELLED", "partition_figure", "png", "topology_figure"]

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
"""Okabe and Ito's colours, distinguishable to the colour-blind; hatches tell the ninth class from the first."""
HATCHES = ("", "//", "..", "xx")
LABELLED = 40  # more institutions than this are drawn without their names


def partition_figure(names: Sequence[str], classes: Sequence[str], counts: np.ndarray) -> Figure:
    """Stacked bars: how many examples of each class lie at each institution; counts [n, classes]."""
    figure, axes = _blank(width=min(14.0, 4.0 + 0.35 * len(names)))
    places, below = np.arange(len(names)), np.zeros(len(names))
    for k, label in enumerate(classes):
        look = {"color": COLOURS[k % len(COLOURS)], "hatch": HATCHES[k // len(COLOURS) % len(HATCHES)], "label": label}
        top = below + counts[:, k]
        if len(names) <= LABELLED:
            axes.bar(places, counts[:, k], bottom=below, edgecolor="white", linewidth=0.4, **look)
        else:
            axes.fill_between(places, below, top, step="mid", linewidth=0, **look)
        below = top
    _name_places(axes, names)
    axes.set_ylabel("training examples")
    axes.set_title("Partition: classes at each institution")
    axes.legend(title="class", fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def topology_figure(
    graph: networkx.Graph, names: Sequence[str], values: Mapping[str, float] | None = None, metric: str = "",
    traffic: Mapping[tuple[str, str], int] | None = None,
) -> Figure:  # fmt: skip
    """The graph, its nodes in institution order, coloured by a metric where values are given.

    Edges are as wide as the bytes that crossed them, by (src, dst), where traffic is given: the busiest 4 points, an
    idle one a hair.
    """
    figure, axes = _blank(width=7.5)
    places = _places(graph)
    _draw_edges(axes, graph, places, _widths(graph, names, traffic))
    shown = [(values or {}).get(name, np.nan) for name in names]
    size = 500 if len(names) <= LABELLED else max(6.0, 6000 / len(names))
    missing = {"plotnonfinite": True, "cmap": _colour_map()} if values else {"color": COLOURS[4]}
    dots = axes.scatter(
        *places.T,
        s=size,
        c=shown if values else None,
        edgecolors="black",
        linewidths=size**0.5 / 20,
        zorder=2,
        **missing,
    )
    if values:
        figure.colorbar(dots, ax=axes, label=f"{metric} on the own test set", shrink=0.8)
    if len(names) <= LABELLED:
        for (x, y), name in zip(places, names, strict=True):
            label = axes.annotate(name, (x, y), (0, 16), textcoords="offset points", ha="center", fontsize=8, zorder=3)
            label.set_bbox({"color": "white", "alpha": 0.8, "pad": 0.5})
    axes.set_title(f"Topology: {graph.number_of_nodes()} nodes, {graph.number_of_edges()} edges")
    axes.set_axis_off()
    axes.margins(0.15)
    return figure


def png(figure: Figure) -> bytes:
    """The figure as a PNG file."""
    held = BytesIO()
    figure.savefig(held, format="png", dpi=100)
    return held.getvalue()


def _blank(width: float):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 4.8), layout="constrained")
    return figure, figure.add_subplot()


def _name_places(axes, names: Sequence[str]) -> None:
    if len(names) > LABELLED:
        axes.set_xlabel("institution, in order")
        return
    axes.set_xticks(np.arange(len(names)), names, rotation=30 if len(names) > 5 else 0, fontsize=8)


def _places(graph: networkx.Graph) -> np.ndarray:
    """Where each node is drawn [n, 2]; the same graph is always drawn the same way."""
    found = networkx.kamada_kawai_layout(graph) if len(graph) <= 100 else networkx.circular_layout(graph)
    return np.array([found[node] for node in graph]).reshape(-1, 2)


ARROWS = 300  # more directed edges than this are drawn as lines: an arrow each would take a minute, and show nothing


def _draw_edges(axes, graph: networkx.Graph, places: np.ndarray, widths: list[float]) -> None:
    from matplotlib.collections import LineCollection

    ends = _ends(graph)
    if not graph.is_directed() or len(ends) > ARROWS:
        look = {"colors": "#888888", "linewidths": widths, "zorder": 1}
        axes.add_collection(LineCollection([places[list(pair)] for pair in ends], **look))
        return
    for (a, b), width in zip(ends, widths, strict=True):
        arrow = {"arrowstyle": "-|>", "color": "#888888", "linewidth": width, "shrinkA": 10, "shrinkB": 12}
        axes.annotate("", places[b], places[a], arrowprops=arrow, zorder=1)


def _ends(graph: networkx.Graph) -> list[tuple[int, int]]:
    index = {node: place for place, node in enumerate(graph)}
    return [(index[a], index[b]) for a, b in graph.edges() if a != b]


def _widths(graph: networkx.Graph, names: Sequence[str], traffic: Mapping[tuple[str, str], int] | None) -> list[float]:
    """Of each edge; of an undirected one for the traffic both ways."""
    ends = _ends(graph)
    if not traffic:
        return [min(1.5, max(0.1, 200 / max(1, len(ends))))] * len(ends)
    both = not graph.is_directed()
    crossed = [traffic.get((names[a], names[b]), 0) + both * traffic.get((names[b], names[a]), 0) for a, b in ends]
    busiest = max(*crossed, 1)
    return [0.15 + 3.85 * each / busiest for each in crossed]


def _colour_map():
    from matplotlib import colormaps

    return colormaps["cividis"].with_extremes(bad="white")
