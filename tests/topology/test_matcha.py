"""MATCHA: the matchings are matchings, the budget is kept, and the expectation is the one that is promised."""

from __future__ import annotations

import math

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from swarmsim.rng import stream
from swarmsim.topology import spectrum
from swarmsim.topology.budget import Decomposition, activation, edge_weight, expected_contraction
from swarmsim.topology.matcha import Matcha
from swarmsim.topology.matchings import matchings
from swarmsim.topology.mixing import mixing
from swarmsim.types import InputError


@given(st.integers(1, 25), st.floats(0, 1), st.integers(0, 2**31))
def test_matchings_are_an_edge_colouring(n, p, seed):
    graph = networkx.gnp_random_graph(n, p, seed=seed)
    parts = matchings(graph)
    assert sorted(tuple(sorted(edge)) for part in parts for edge in part) == sorted(graph.edges)
    for part in parts:
        ends = [end for edge in part for end in edge]
        assert len(ends) == len(set(ends))
    assert len(parts) <= max((degree for _, degree in graph.degree), default=0) + 1


@pytest.mark.parametrize(("graph", "most"), [(networkx.petersen_graph(), 4), (networkx.complete_graph(7), 7)])
def test_matchings_of_graphs_that_need_one_more(graph, most):
    """The Petersen graph and complete graphs of odd size are of class two: max degree + 1 matchings, not fewer."""
    assert len(matchings(graph)) == most


def bridged(budget):
    """Two triangles and a bridge, its matchings and their probabilities."""
    graph = networkx.barbell_graph(3, 0)
    parts = matchings(graph)
    whole = Decomposition(6, parts)
    return graph, parts, whole, activation(whole, budget)


@pytest.mark.parametrize("budget", [0.2, 0.5, 0.9, 1.0])
def test_probabilities_keep_the_budget_and_favour_the_bridge(budget):
    _graph, parts, whole, p = bridged(budget)
    assert p.sum() == pytest.approx(budget * len(parts), abs=1e-9)
    assert p.min() >= 0
    assert p.max() <= 1
    bridge = next(k for k, part in enumerate(parts) if (2, 3) in part)
    assert p[bridge] == p.max()
    even = np.full(len(parts), budget)
    connectivity = [np.linalg.eigvalsh(whole.laplacian(q))[1] for q in (p, even)]
    assert connectivity[0] >= connectivity[1]


@pytest.mark.parametrize("budget", [0.3, 0.5, 0.8])
def test_probabilities_are_the_best_there_are(budget):
    """A path has two matchings, so that all p within the budget are a line: none on it has a larger lambda_2."""
    parts = matchings(networkx.path_graph(6))
    assert len(parts) == 2
    whole = Decomposition(6, parts)
    line = [q for q in np.linspace(0, 1, 1001) if 0 <= 2 * budget - q <= 1]
    best = max(np.linalg.eigvalsh(whole.laplacian(np.array([q, 2 * budget - q])))[1] for q in line)
    assert np.linalg.eigvalsh(whole.laplacian(activation(whole, budget)))[1] >= 0.99 * best


def test_laplacian_is_that_of_networkx():
    graph, parts, whole, _p = bridged(0.5)
    expected = networkx.laplacian_matrix(graph).toarray()
    assert (whole.laplacian(np.ones(len(parts))) == expected).all()
    v = stream(0, "test").standard_normal(6)
    assert whole.slopes(v).sum() == pytest.approx(v @ expected @ v, rel=1e-12)


def test_expected_contraction_is_the_mean_over_all_rounds_there_can_be():
    """By hand: all 2^m choices of matchings with their probabilities."""
    _graph, parts, whole, p = bridged(0.4)
    weight, mean = 0.21, np.zeros((6, 6))
    for code in range(2 ** len(parts)):
        used = np.array([code >> k & 1 for k in range(len(parts))])
        w = np.eye(6) - weight * whole.laplacian(used.astype(float))
        mean += np.prod(np.where(used, p, 1 - p)) * w.T @ w
    assert expected_contraction(whole, p, weight) == pytest.approx(np.linalg.norm(mean - 1 / 6, 2), abs=1e-12)


def test_the_weight_is_the_best_on_a_grid():
    _graph, _parts, whole, p = bridged(0.4)
    best = edge_weight(whole, p)
    grid = np.linspace(0.001, 1 / 3, 300)
    assert expected_contraction(whole, p, best) <= min(expected_contraction(whole, p, a) for a in grid) + 1e-6


def test_rounds_contract_as_expected_and_cost_the_budget():
    topology, n, rounds = Matcha(base={"use": "complete"}, budget=0.4), 6, 3000
    graphs = [topology.graph_at(n, 0, t) for t in range(rounds)]
    edges = np.array([graph.number_of_edges() for graph in graphs])
    assert abs(edges.mean() - 0.4 * 15) < 3 * edges.std() / math.sqrt(rounds)
    x = stream(0, "test").standard_normal(n)
    x -= x.mean()
    left = np.array([((mixing(graph, "given").dense() @ x) ** 2).sum() for graph in graphs]) / (x @ x)
    parts = matchings(networkx.complete_graph(n))
    whole = Decomposition(n, parts)
    p = activation(whole, 0.4)
    assert left.mean() <= expected_contraction(whole, p, edge_weight(whole, p)) + 3 * left.std() / math.sqrt(rounds)


def test_the_whole_budget_is_the_base_graph_in_every_round():
    """On the complete graph with the best weight, W = J."""
    graph = Matcha(base={"use": "complete"}, budget=1).graph_at(5, 0, 3)
    assert spectrum.rho(mixing(graph, "given")) == pytest.approx(0, abs=1e-6)


def test_a_round_keeps_what_the_base_graph_says_of_its_links():
    graph = Matcha(base={"use": "file", "path": "topologies/two_continents.yaml"}, budget=1).graph_at(8, 0, 0)
    assert graph.edges[0, 4].keys() == {"latency", "bandwidth", "weight"}
    assert graph.nodes[4]["name"] == "New York"


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ({"use": "rin"}, r"base: no use 'rin' \(did you mean 'ring'\?\); allowed: barbell"),
        ({}, "base: no use ''"),
        ({"use": "ring", "weights": "uniform"}, "base: weights do not count"),
        ({"use": "star", "hub": -1}, "base: star: hub: Input should be greater than or equal to 0"),
        ({"use": "star", "hubb": 1}, "base: star: hubb: Extra inputs are not permitted"),
    ],
)
def test_a_base_that_is_none(base, message):
    with pytest.raises(ValidationError, match=message):
        Matcha(base=base)


def test_graphs_that_cannot_be_the_base(tmp_path):
    (tmp_path / "arcs.yaml").write_text("nodes: [{name: a}, {name: b}]\ndirected: true\nedges: [{src: a, dst: b}]\n")
    with pytest.raises(InputError, match="the base graph is directed"):
        Matcha(base={"use": "file", "path": str(tmp_path / "arcs.yaml")}).graph_at(2, 0, 0)
    (tmp_path / "two.txt").write_text("a b\nc d\n")
    with pytest.raises(InputError, match=r"not connected: 2 components instead of 1, \{a, b\}; \{c, d\}"):
        Matcha(base={"use": "file", "path": str(tmp_path / "two.txt")}).graph_at(4, 0, 0)
    with pytest.raises(InputError, match="n = 501 institutions, but the probabilities are found for at most 500"):
        Matcha().graph_at(501, 0, 0)
