"""Sequences of sparse graphs whose product is an exact average, for any number of institutions.

A round is a list of edges (a, b, weight), a sequence a list of rounds. Institutions are taken in the order given.

Reference: Takezawa et al., Beyond exponential graph, arXiv:2305.11420: algorithms 1, 2 and 3.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, combinations, zip_longest

__all__ = ["base_rounds"]

Rounds = list[list[tuple[int, int, float]]]


@cache
def base_rounds(n: int, k: int) -> Rounds:
    """The Base-(k+1) graph: at most k neighbours a round and at most 2 log_{k+1}(n) + 2 rounds; n = 1 has none.

    With n = smooth x rough, where smooth has the prime factors up to k + 1: exact averages within `smooth` groups, then
    across them; or everything at once, whichever takes fewer rounds.
    """
    nodes, smooth = range(n), _smooth(n, k + 1)
    rough = n // smooth
    within = _together(_simple(nodes[g * rough : (g + 1) * rough], k) for g in range(smooth))
    across = _together(_hyper(nodes[u::rough], k) for u in range(rough))
    return min(_simple(nodes, k), within + across, key=len)


def _simple(nodes: Sequence[int], k: int) -> Rounds:
    """The Simple Base-(k+1) graph.

    n is written with digits a_1, a_2, ... to the base k + 1, and its institutions are cut into parts V_l of
    a_l (k+1)^p_l. Every part averages; then in turn all behind V_l hear a_l institutions of V_l, one of each of its
    a_l blocks, with weights that give those behind, and each block, the mean of V_l and all behind; each block averages
    once more.
    """
    if _smooth(len(nodes), k + 1) == len(nodes):
        return _hyper(nodes, k)
    parts = _parts(nodes, k)
    first = _together(_hyper(list(chain.from_iterable(blocks)), k) for blocks in parts)
    tails = []
    for l, blocks in enumerate(parts[:-1]):  # noqa: E741
        behind = list(chain.from_iterable(chain.from_iterable(parts[l + 1 :])))
        held = sum(map(len, blocks))
        weight = held / (len(blocks) * (held + len(behind)))
        exchange = [(a, b, weight) for block in blocks for a, b in zip(block, behind, strict=False)]
        tails.append([[]] * l + [exchange] + _together(_hyper(block, k) for block in blocks))
    return first + _together(tails)


def _hyper(nodes: Sequence[int], k: int) -> Rounds:
    """The k-peer hyper-hypercube: nodes are numbers with digits in a mixed base, a round averages along one digit."""
    rounds, stride = [], 1
    for size in _factors(len(nodes), k + 1):
        groups = [range(i, i + size * stride, stride) for i in range(len(nodes)) if i // stride % size == 0]
        pairs = chain.from_iterable(combinations(group, 2) for group in groups)
        rounds.append([(nodes[a], nodes[b], 1 / size) for a, b in pairs])
        stride *= size
    return rounds


def _parts(nodes: Sequence[int], k: int) -> list[list[Sequence[int]]]:
    """For each digit of len(nodes) to the base k + 1, from the highest and without zeros, its blocks of (k+1)^p."""
    size, parts, start = 1, [], 0
    while size * (k + 1) <= len(nodes):
        size *= k + 1
    while size:
        digit = (len(nodes) - start) // size
        if digit:
            parts.append([nodes[start + a * size : start + (a + 1) * size] for a in range(digit)])
        start, size = start + digit * size, size // (k + 1)
    return parts


def _together(sequences: Iterable[Rounds]) -> Rounds:
    """Sequences on different institutions side by side; the shorter ones then rest."""
    return [list(chain.from_iterable(rounds)) for rounds in zip_longest(*sequences, fillvalue=[])]


@cache
def _factors(n: int, most: int) -> tuple[int, ...]:
    """The fewest factors up to `most` with product n, which has no larger prime factor."""
    options = ((size, *_factors(n // size, most)) for size in range(most, 1, -1) if n % size == 0)
    return min(options, key=len, default=())


def _smooth(n: int, most: int) -> int:
    """The largest divisor of n all of whose prime factors are at most `most`."""
    smooth = 1
    for factor in range(2, min(most, n) + 1):
        while n % factor == 0:
            smooth, n = smooth * factor, n // factor
    return smooth
