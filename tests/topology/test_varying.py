"""Topologies that change from round to round: each round is what it claims, and so is what comes of a period."""

from __future__ import annotations

import math

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from swarmsim.rng import stream
from swarmsim.topology import spectrum
from swarmsim.topology.base_k import BaseK
from swarmsim.topology.equi_dyn import EquiDyn
from swarmsim.topology.finite_time import base_rounds
from swarmsim.topology.hypercube import Hypercube
from swarmsim.topology.matcha import Matcha
from swarmsim.topology.mixing import mixing
from swarmsim.topology.one_peer_exponential import OnePeerExponential
from swarmsim.topology.one_peer_hypercube import OnePeerHypercube
from swarmsim.topology.random_matching import RandomMatching
from swarmsim.topology.series import series
from swarmsim.types import InputError

PERIODIC = [OnePeerExponential(), OnePeerHypercube(), BaseK(), BaseK(k=3)]
DRAWN = [RandomMatching(), RandomMatching(pairs=1), EquiDyn(), EquiDyn(directed=False), EquiDyn(offsets=3), Matcha()]
SHORT = 4


def legal(topology, n):
    return n & (n - 1) == 0 if isinstance(topology, OnePeerHypercube) else n > 1 or topology != RandomMatching(pairs=1)


def matrix(topology, n, seed, t):
    return mixing(topology.graph_at(n, seed, t), topology.weights).dense()


def product(topology, n):
    found = np.eye(n)
    for t in range(topology.period(n)):
        found = matrix(topology, n, 0, t) @ found
    return found


@pytest.mark.parametrize("topology", PERIODIC + DRAWN, ids=repr)
def test_rounds_of_every_size(topology):
    for n in range(1, 101):
        if legal(topology, n):
            for t in range(SHORT):
                check(topology.graph_at(n, 7, t), topology.weights, n)


def check(graph, weights, n):
    assert list(graph) == list(range(n))
    assert networkx.number_of_selfloops(graph) == 0
    w = mixing(graph, weights)
    full = w.dense()
    arcs = networkx.to_numpy_array(graph, nodelist=range(n), weight=None).T
    assert ((full > 0) == (arcs + np.eye(n) > 0)).all()
    assert abs(full.sum(1) - 1).max() <= 1e-15
    assert abs(full.sum(0) - 1).max() <= 1e-13
    assert spectrum.doubly_stochastic(w)
    if not graph.is_directed():
        assert (full == full.T).all()


@pytest.mark.parametrize("topology", PERIODIC, ids=repr)
def test_a_period_repeats_and_reaches_everybody(topology):
    for n in (1, 2, 3, 7, 8, 32, 33):
        if legal(topology, n):
            p = topology.period(n)
            for t in range(p):
                assert set(topology.graph_at(n, 0, t).edges) == set(topology.graph_at(n, 5, t + 3 * p).edges)
            assert len(series(topology, n, 0).mixings) == p


@pytest.mark.parametrize("d", range(8))
@pytest.mark.parametrize("topology", [OnePeerExponential(), OnePeerHypercube(), BaseK()], ids=repr)
def test_powers_of_two_agree_after_log2_n_rounds(topology, d):
    assert topology.period(2**d) == max(1, d)
    assert abs(product(topology, 2**d) - 1 / 2**d).max() <= 1e-15


def test_one_peer_exponential_is_exact_for_powers_of_two_alone():
    for n in range(2, 70):
        exact = spectrum.period_product_error(series(OnePeerExponential(), n, 0).mixings) < 1e-12
        assert exact == (n & (n - 1) == 0)


def test_who_sends_to_whom_in_the_one_peer_graphs():
    assert set(OnePeerExponential().graph_at(6, 0, 2).edges) == {(i, (i + 4) % 6) for i in range(6)}
    assert set(OnePeerHypercube().graph_at(8, 0, 4).edges) == {(0, 2), (1, 3), (4, 6), (5, 7)}
    everything = OnePeerHypercube().graph(16, 0)
    assert set(everything.edges) == set(Hypercube().graph(16, 0).edges)


def test_one_peer_hypercube_needs_a_power_of_two():
    with pytest.raises(InputError, match=r"one_peer_hypercube: n = 12 .*8 and 16.*`use: base_k` takes any n"):
        OnePeerHypercube().graph_at(12, 0, 0)


@pytest.mark.parametrize("k", range(1, 6))
def test_base_k_agrees_in_finite_time_for_every_size(k):
    """Takezawa et al. 2023, theorem 1: the product is J, at most k neighbours, at most 2 log_{k+1}(n) + 2 rounds."""
    topology = BaseK(k=k)
    for n in range(1, 101):
        assert abs(product(topology, n) - 1 / n).max() <= 1e-12
        assert len(base_rounds(n, k)) <= 2 * math.log(n, k + 1) + 2
        degrees = [degree for t in range(topology.period(n)) for _, degree in topology.graph_at(n, 0, t).degree]
        assert max(degrees) <= k


@pytest.mark.parametrize(("n", "k", "rounds"), [(1, 1, 0), (2, 1, 1), (3, 2, 1), (6, 2, 2), (7, 6, 1), (9, 2, 2)])
def test_base_k_is_short_where_few_rounds_suffice(n, k, rounds):
    assert len(base_rounds(n, k)) == rounds


def test_base_2_of_five_by_hand():
    """5 = 4 + 1: four average in two rounds, the fifth meets one of them with weight 4/5, the four average again."""
    rounds = base_rounds(5, 1)
    assert [len(edges) for edges in rounds] == [2, 2, 1, 2, 2]
    assert rounds[2] == [(0, 4, 4 / 5)]


def left(topology, n, rounds):
    """||W x||^2 / ||x||^2 of one x without mean, for many rounds."""
    x = stream(1, "test").standard_normal(n)
    x -= x.mean()
    return np.array([((matrix(topology, n, 0, t) @ x) ** 2).sum() for t in range(rounds)]) / (x @ x)


N = 8
SHARE = 0.5 * (N - 1) / N


@pytest.mark.parametrize(
    ("topology", "expected"),
    [
        (RandomMatching(pairs=1), 1 - 1 / (N - 1)),
        (RandomMatching(), (N - 2) / (2 * (N - 1))),
        (EquiDyn(), SHARE**2 + (1 - SHARE) ** 2 - 2 * SHARE * (1 - SHARE) / (N - 1)),
    ],
    ids=repr,
)
def test_random_graphs_contract_as_in_theory(topology, expected):
    found = left(topology, N, 4000)
    assert abs(found.mean() - expected) < 3 * found.std() / math.sqrt(len(found))


@pytest.mark.parametrize("directed", [True, False])
def test_equi_dyn_contracts_the_same_for_every_size(directed):
    """Theorem 2 of Song et al.: the expected rate has a bound below 1 that n is not in."""
    rates = [left(EquiDyn(directed=directed), n, 300).mean() for n in (8, 32, 128)]
    assert max(rates) < 0.75
    assert max(rates) - min(rates) < 0.15


def test_equi_dyn_keeps_to_its_offsets():
    seen = {tuple(EquiDyn(offsets=2).graph_at(11, 3, t).edges) for t in range(60)}
    assert len(seen) == 2
    assert len({tuple(EquiDyn().graph_at(11, 3, t).edges) for t in range(200)}) == 10


def test_undirected_equi_dyn_pairs_all_that_can_be_paired():
    """After a pair (i, i + u) no two free institutions are u apart, whatever the start."""
    for t in range(50):
        graph = EquiDyn(directed=False).graph_at(15, 0, t)
        assert {degree for _, degree in graph.degree} <= {0, 1}
        u = next((b - a) % 15 for a, b in graph.edges)
        free = {i for i, degree in graph.degree if degree == 0}
        assert not any((i + u) % 15 in free for i in free)


def test_random_matching_counts_its_pairs():
    assert RandomMatching().graph_at(9, 0, 3).number_of_edges() == 4
    assert RandomMatching(pairs=2).graph_at(9, 0, 3).number_of_edges() == 2
    with pytest.raises(InputError, match="pairs = 5, but n = 9 institutions have at most 4 pairs"):
        RandomMatching(pairs=5).graph_at(9, 0, 0)


@pytest.mark.parametrize("topology", DRAWN, ids=repr)
@settings(max_examples=20, deadline=None)
@given(n=st.integers(2, 20), seed=st.integers(0, 2**40), t=st.integers(0, 10**6))
def test_a_round_is_the_same_whoever_asks_and_when(topology, n, seed, t):
    """Trap 31: no institution has a phase of its own, and no round depends on those before it."""
    first = topology.graph_at(n, seed, t)
    topology.graph_at(n, seed, t + 1)
    again = topology.graph_at(n, seed, t)
    assert list(first.edges(data=True)) == list(again.edges(data=True))


@pytest.mark.parametrize("topology", DRAWN, ids=repr)
def test_random_rounds_differ_and_follow_the_seed(topology):
    edges = [[tuple(topology.graph_at(12, seed, t).edges) for t in range(12)] for seed in (0, 1)]
    assert len(set(edges[0])) > 1
    assert edges[0] != edges[1]


@pytest.mark.parametrize("topology", PERIODIC + DRAWN, ids=repr)
@pytest.mark.parametrize("n", [None, 0, -1])
def test_no_institutions(topology, n):
    with pytest.raises(InputError, match="institutions"):
        topology.graph_at(n, 0, 0)


def test_arguments_are_bounded():
    for kind, wrong in (
        (OnePeerExponential, {"weights": "metropolis"}), (BaseK, {"k": 0}), (EquiDyn, {"eta": 0}),
        (EquiDyn, {"eta": 1.1}), (RandomMatching, {"pairs": 0}), (Matcha, {"budget": 0}),
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            kind(**wrong)
