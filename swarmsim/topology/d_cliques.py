"""D-Cliques."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain, combinations
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from swarmsim.lazy import networkx
from swarmsim.topology.base import Topology
from swarmsim.topology.clique_search import representative_cliques
from swarmsim.topology.graphs import institutions, undirected_graph
from swarmsim.types import InputError

__all__ = ["DCliques"]


class DCliques(Topology):
    """D-Cliques: complete groups whose classes, taken together, are those of all institutions, sparsely joined.

    The groups come from the class counts of the institutions: random ones of at most `size`, then `swaps` attempts to
    exchange two members so that the class shares of both groups come closer to the global ones. Groups are joined by
    single edges between the members with the fewest of them: in a ring, all with all (fully), or 1, 2, 4, ... groups
    further on the ring (small_world). One group is the complete graph; size = 1 with ring is the ring.

    Reference: Bellet, Kermarrec and Lavoie, D-Cliques: Compensating for data heterogeneity with topology in
    decentralized federated learning, arXiv:2104.07365.
    """

    size: int | None = Field(None, ge=1, description="the most institutions in a group; default 10")
    swaps: int | None = Field(None, ge=0, description="attempted exchanges between two random groups; default 1000")
    between: Literal["ring", "fully", "small_world"] = Field("ring", description="how groups are joined")
    cliques: tuple[tuple[int, ...], ...] | None = Field(
        None, description="the groups themselves, by the institutions' numbers from 0; default from the class counts"
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> DCliques:
        if self.cliques is not None and (self.size is not None or self.swaps is not None):
            raise ValueError("cliques are given, so that size and swaps do not count; leave them out")
        return self

    def with_counts(self, counts: np.ndarray, seed: int) -> DCliques:
        """The groups for examples [n, classes]; given ones stay."""
        if self.cliques is not None:
            return self
        swaps = 1000 if self.swaps is None else self.swaps
        return DCliques(
            cliques=representative_cliques(counts, self.size or 10, swaps, seed),
            **self.model_dump(include={"between", "weights"}),
        )

    def graph(self, n: int | None, seed: int) -> networkx.Graph:
        """Complete groups and one edge for every two that are joined."""
        n = institutions(n)
        cliques = self._checked(n)
        within = chain.from_iterable(combinations(clique, 2) for clique in cliques)
        return undirected_graph(n, (*within, *_bridges(cliques, self._joined(len(cliques)))))

    def _checked(self, n: int) -> tuple[tuple[int, ...], ...]:
        if self.cliques is None:
            raise InputError(
                "topology d_cliques: groups are made from the classes of the institutions' examples, which are not "
                "known here (only classification has classes); write the groups, cliques: [[0, 1], [2, 3]]"
            )
        if sorted(chain.from_iterable(self.cliques)) != list(range(n)) or not all(self.cliques):
            raise InputError(
                f"topology d_cliques: cliques = {[list(clique) for clique in self.cliques]}, but each of the "
                f"institutions 0..{n - 1} must be in exactly one group, and no group may be empty"
            )
        return self.cliques

    def _joined(self, groups: int) -> list[tuple[int, int]]:
        """Pairs of groups."""
        if self.between == "fully":
            return list(combinations(range(groups), 2))
        offsets = [1] if self.between == "ring" else [2**k for k in range((groups - 1).bit_length())]
        ends = ((a, (a + offset) % groups) for offset in offsets for a in range(groups))
        return list(dict.fromkeys((min(pair), max(pair)) for pair in ends if pair[0] != pair[1]))


def _bridges(cliques: tuple[tuple[int, ...], ...], pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """One edge a pair of groups, between the members that have the fewest such edges; of equal ones the first."""
    held = dict.fromkeys(chain.from_iterable(cliques), 0)
    edges = []
    for pair in pairs:
        ends = tuple(min(cliques[group], key=held.__getitem__) for group in pair)
        for end in ends:
            held[end] += 1
        edges.append(ends)
    return edges
