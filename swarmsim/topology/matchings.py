"""A graph taken apart into matchings: sets of edges without a common end."""

from __future__ import annotations

from itertools import pairwise

from swarmsim.lazy import networkx

__all__ = ["matchings"]

Colours = dict[int, dict[int, int]]  # of each node, by colour, the other end of its edge


def matchings(graph: networkx.Graph) -> list[list[tuple[int, int]]]:
    """At most max degree + 1 matchings with every edge in one of them: an edge colouring.

    Edges are coloured one by one. Where no colour is free at both ends u and v, the edges of u are shifted along a fan
    of neighbours, each of which lacks the colour of the next, after a path of two colours at u has been exchanged.

    Reference: Misra and Gries, A constructive proof of Vizing's theorem, Information Processing Letters 1992.
    """
    at: Colours = {node: {} for node in graph}
    palette = range(max((degree for _, degree in graph.degree), default=0) + 1)
    for u, v in graph.edges:
        both = next((colour for colour in palette if colour not in at[u] and colour not in at[v]), None)
        if both is None:
            _shift(at, u, v, palette)
        else:
            _join(at, u, v, both)
    found = ([(a, ends[c]) for a, ends in at.items() if a < ends.get(c, -1)] for c in palette)
    return [matching for matching in found if matching]


def _shift(at: Colours, u: int, v: int, palette: range) -> None:
    fan = _fan(at, u, v)
    c, d = (next(colour for colour in palette if colour not in at[node]) for node in (u, fan[-1]))
    _exchange(at, u, c, d)
    end = next(k for k in range(len(fan)) if d not in at[fan[k]] and _is_fan(at, u, fan[: k + 1]))
    for here, following in pairwise(fan[: end + 1]):
        _join(at, u, here, _between(at, u, following))
    _join(at, u, fan[end], d)


def _fan(at: Colours, u: int, v: int) -> list[int]:
    """v, then as long as there are any: a neighbour of u whose edge has a colour that the last one lacks."""
    fan, left = [v], dict(at[u])
    while (colour := next((c for c in left if c not in at[fan[-1]]), None)) is not None:
        fan.append(left.pop(colour))
    return fan


def _is_fan(at: Colours, u: int, fan: list[int]) -> bool:
    return all(_between(at, u, after) not in at[before] for before, after in pairwise(fan))


def _between(at: Colours, u: int, v: int) -> int:
    return next(colour for colour, end in at[u].items() if end == v)


def _join(at: Colours, u: int, v: int, colour: int) -> None:
    """Give the edge u - v a colour; what had it at u before is about to get another."""
    for a, b in ((u, v), (v, u)):
        at[a] = {old: end for old, end in at[a].items() if end != b} | {colour: b}


def _exchange(at: Colours, u: int, c: int, d: int) -> None:
    """Exchange c and d on the path that leaves u with d; c is free at u before, d after."""
    path, colour = [u], d
    while colour in at[path[-1]]:
        path.append(at[path[-1]][colour])
        colour = c if colour == d else d
    swap = {c: d, d: c}
    for node in path:
        at[node] = {swap.get(old, old): end for old, end in at[node].items()}
