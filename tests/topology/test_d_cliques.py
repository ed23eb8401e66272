"""D-Cliques: groups whose classes are those of everybody, and few edges between them."""

from __future__ import annotations

from itertools import combinations

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from swarmsim.rng import stream
from swarmsim.topology.clique_search import representative_cliques, skew
from swarmsim.topology.d_cliques import DCliques
from swarmsim.topology.ring import Ring
from swarmsim.topology.series import series
from swarmsim.types import InputError

ONE_CLASS = np.tile(np.eye(4) * 25, (5, 1))  # 20 institutions, each with one of 4 classes


def skews(counts, cliques):
    shares = counts / counts.sum(1, keepdims=True)
    return [skew(shares, list(clique)) for clique in cliques]


def test_institutions_of_one_class_each_form_groups_with_every_class():
    """Section 3 of Bellet et al.: one institution of each class in a group has no skew at all."""
    cliques = representative_cliques(ONE_CLASS, 4, 1000, seed=0)
    assert [len(clique) for clique in cliques] == [4] * 5
    assert all({i % 4 for i in clique} == {0, 1, 2, 3} for clique in cliques)
    assert max(skews(ONE_CLASS, cliques)) == pytest.approx(0, abs=1e-12)


@given(st.integers(2, 25), st.integers(1, 8), st.integers(2, 5), st.integers(0, 2**40))
def test_exchanges_never_make_the_skew_larger(n, size, classes, seed):
    counts = stream(seed, "test").integers(1, 50, (n, classes))
    drawn, swapped = (representative_cliques(counts, size, swaps, seed) for swaps in (0, 60))
    for cliques in (drawn, swapped):
        assert sorted(i for clique in cliques for i in clique) == list(range(n))
        assert max(map(len, cliques)) <= size
        assert max(map(len, cliques)) - min(map(len, cliques)) <= 1
    assert sum(skews(counts, swapped)) <= sum(skews(counts, drawn)) + 1e-9


def test_skew_by_hand():
    """Two institutions of class 0 out of four, two of class 1: (1, 0) against (1/2, 1/2)."""
    shares = np.array([[1, 0], [1, 0], [0, 1], [0, 1.0]])
    assert skew(shares, [0, 1]) == 1.0
    assert skew(shares, [0, 2]) == 0.0


def given_groups(groups, size, between):
    cliques = tuple(tuple(range(k * size, (k + 1) * size)) for k in range(groups))
    return DCliques(cliques=cliques, between=between).graph(groups * size, 0), cliques


@pytest.mark.parametrize(
    ("groups", "between", "bridges"),
    [
        (1, "ring", 0), (2, "ring", 1), (3, "ring", 3), (6, "ring", 6), (6, "fully", 15), (6, "small_world", 12),
        (10, "small_world", 30), (2, "small_world", 1), (1, "fully", 0),
    ],
)  # fmt: skip
def test_bridges_between_groups(groups, between, bridges):
    """small_world of 10: 10 pairs each at distance 1, 2 and 4; 8 is 2 the other way round."""
    graph, cliques = given_groups(groups, 5, between)
    inside = {pair for clique in cliques for pair in combinations(clique, 2)}
    assert inside <= set(graph.edges)
    assert graph.number_of_edges() - len(inside) == bridges
    assert networkx.is_connected(graph)


def test_bridges_are_spread_over_the_members():
    graph, _cliques = given_groups(6, 5, "fully")
    assert {degree - 4 for _, degree in graph.degree} == {1}


def test_groups_of_one_in_a_ring_are_the_ring():
    graph, _cliques = given_groups(7, 1, "ring")
    assert set(graph.edges) == set(Ring().graph(7, 0).edges)


def test_series_makes_groups_from_the_counts():
    topology = DCliques(size=4)
    found = series(topology, 20, 3, counts=ONE_CLASS)
    again = series(topology, 20, 3, counts=ONE_CLASS)
    other = series(topology, 20, 4, counts=ONE_CLASS)
    assert set(found.graphs[0].edges) == set(again.graphs[0].edges) != set(other.graphs[0].edges)
    assert found.graphs[0].number_of_edges() == 5 * 6 + 5
    assert topology.with_counts(ONE_CLASS, 3).between == "ring"
    assert Ring().with_counts(ONE_CLASS, 3) == Ring()


def test_given_groups_stay():
    topology = DCliques(cliques=((0, 2), (1, 3)))
    assert topology.with_counts(ONE_CLASS[:4], 0) is topology


def test_what_cannot_be_grouped():
    with pytest.raises(InputError, match=r"not known here .*write the groups, cliques: \[\[0, 1\], \[2, 3\]\]"):
        DCliques().graph(4, 0)
    with pytest.raises(InputError, match=r"cliques = \[\[0, 1\], \[1, 2\]\], but each of the institutions 0..3"):
        DCliques(cliques=((0, 1), (1, 2))).graph(4, 0)
    with pytest.raises(InputError, match="no group may be empty"):
        DCliques(cliques=((0, 1), ())).graph(2, 0)
    with pytest.raises(InputError, match=r"institution 1 \(from 0\) has no examples"):
        representative_cliques(np.array([[1, 2], [0, 0]]), 2, 10, 0)
    for ignored in ({"size": 3}, {"swaps": 10}):
        with pytest.raises(ValidationError, match="cliques are given"):
            DCliques(cliques=((0, 1),), **ignored)
