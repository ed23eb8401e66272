"""Weights from a graph: each rule against what it is defined by, and against closed forms."""

from __future__ import annotations

import math

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarmsim.topology import spectrum
from swarmsim.topology.build import build
from swarmsim.topology.complete import Complete
from swarmsim.topology.directed_random import DirectedRandom
from swarmsim.topology.erdos_renyi import ErdosRenyi
from swarmsim.topology.file import File
from swarmsim.topology.graphs import directed_graph, from_weights, undirected_graph
from swarmsim.topology.laplacian import best_constant
from swarmsim.topology.mixing import mixing, push_mixing
from swarmsim.topology.path import Path
from swarmsim.topology.random_matching import RandomMatching
from swarmsim.topology.ring import Ring
from swarmsim.topology.star import Star
from swarmsim.types import InputError

GRAPHS = [Ring(), Path(), Star(), Complete(), ErdosRenyi()]


@pytest.mark.parametrize("topology", GRAPHS, ids=repr)
@pytest.mark.parametrize("weights", ["max_degree", "laplacian", "sample"])
def test_rows_columns_symmetry_and_support_of_every_size(topology, weights):
    for n in range(1, 101):
        graph = topology.graph(n, 3)
        w = mixing(graph, weights, [5] * n)
        full, arcs = w.dense(), networkx.to_numpy_array(graph, nodelist=range(n))
        assert (full == full.T).all()
        assert ((full - np.diag(full.diagonal()) != 0) == (arcs > 0)).all()
        assert max(abs(math.fsum(w.row(i)[1]) - 1) for i in range(n)) <= 2e-15
        assert spectrum.stochastic(w) == "doubly"


@pytest.mark.parametrize(
    ("topology", "n", "low", "high"),
    [
        (Ring(), 8, 2 - 2 * math.cos(2 * math.pi / 8), 4), (Star(), 6, 1, 6), (Complete(), 5, 5, 5), (Path(), 2, 2, 2),
        (Path(), 9, 2 - 2 * math.cos(math.pi / 9), 2 + 2 * math.cos(math.pi / 9)),
    ],
)  # fmt: skip
def test_laplacian_optimum_has_the_rho_of_its_closed_form(topology, n, low, high):
    """Xiao and Boyd 2004: rho = (lambda_n - lambda_2)/(lambda_n + lambda_2)."""
    w = mixing(topology.graph(n, 0), "laplacian")
    assert spectrum.rho(w) == pytest.approx((high - low) / (high + low), abs=1e-12)


@given(st.integers(3, 30), st.integers(0, 2**40), st.floats(-0.2, 0.2))
def test_no_constant_weight_has_a_smaller_rho(n, seed, off):
    graph = ErdosRenyi().graph(n, seed)
    laplacian = networkx.laplacian_matrix(graph).toarray()
    best = best_constant(graph)
    others = np.eye(n) - (1 + off) * best * laplacian - 1 / n
    assert spectrum.rho(mixing(graph, "laplacian")) <= np.linalg.norm(others, 2) + 1e-12


def test_laplacian_of_a_matching_averages_pairs():
    """The Laplacian of a pair has the eigenvalue 2 alone: a swap, a = 1, would never agree."""
    graph = RandomMatching().graph_at(7, 0, 0)
    assert best_constant(graph) == pytest.approx(0.5, abs=1e-15)
    assert best_constant(undirected_graph(3, ())) == 1.0


def test_laplacian_of_a_large_graph_agrees_with_dense(monkeypatch):
    graph = ErdosRenyi(p=0.1).graph(200, 0)
    dense = best_constant(graph)
    monkeypatch.setattr("swarmsim.topology.laplacian.DENSE", 0)
    assert best_constant(graph) == pytest.approx(dense, rel=1e-8)


def test_negative_self_weights_are_said():
    w = mixing(Star().graph(6, 0), "laplacian")
    assert w.dense()[0, 0] == pytest.approx(1 - 5 * 2 / 7, abs=1e-15)
    assert spectrum.stochastic(w) == "doubly"
    assert not spectrum.doubly_stochastic(w)


@given(st.integers(1, 25), st.integers(0, 2**40), st.data())
def test_sample_weights_average_examples(n, seed, data):
    """Reversible with respect to the numbers of examples: p_i w_ij = p_j w_ji, so p^T W = p^T."""
    sizes = data.draw(st.lists(st.integers(1, 10_000), min_size=n, max_size=n))
    share = np.array(sizes) / sum(sizes)
    w = mixing(ErdosRenyi().graph(n, seed), "sample", sizes)
    flow = share[:, None] * w.dense()
    assert np.allclose(flow, flow.T, rtol=0, atol=1e-15)
    assert np.allclose(share @ w.dense(), share, rtol=0, atol=1e-14)
    assert w.weights.min() >= 0
    if n > 1:
        assert np.allclose(spectrum.perron([w]), share, rtol=0, atol=1e-9)


def test_sample_weights_of_equal_sizes_are_metropolis():
    graph = Star().graph(6, 0)
    assert (mixing(graph, "sample", [9] * 6).dense() == mixing(graph, "metropolis").dense()).all()


def test_sample_weights_by_hand():
    """Two institutions with 1 and 3 examples: w_01 = 1/2, w_10 = 1/6; limit (1/4, 3/4)."""
    w = mixing(Path().graph(2, 0), "sample", [1, 3]).dense()
    assert np.allclose(w, [[1 / 2, 1 / 2], [1 / 6, 5 / 6]], rtol=0, atol=1e-15)
    assert np.allclose(np.linalg.matrix_power(w, 200)[0], [1 / 4, 3 / 4], rtol=0, atol=1e-12)


def test_push_mixing_loses_no_mass_where_uniform_does():
    graph = directed_graph(4, [(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)])
    push, pull = push_mixing(graph), mixing(graph, "uniform")
    assert (spectrum.stochastic(push), spectrum.stochastic(pull)) == ("columns", "rows")
    assert np.allclose(push.dense()[:, 0], [1 / 3, 1 / 3, 1 / 3, 0], rtol=0, atol=1e-15)
    z, mass = np.arange(4.0), np.ones(4)
    for _ in range(300):
        z, mass = push.dense() @ z, push.dense() @ mass
        assert mass.sum() == pytest.approx(4, abs=1e-12)
    assert np.allclose(z / mass, 1.5, rtol=0, atol=1e-12)
    biased = np.linalg.matrix_power(pull.dense(), 300) @ np.arange(4.0)
    assert np.allclose(biased, spectrum.perron([pull]) @ np.arange(4.0), rtol=0, atol=1e-12)
    assert abs(biased[0] - 1.5) > 0.03


@given(st.integers(2, 40), st.integers(0, 2**40))
def test_push_mixing_is_column_stochastic(n, seed):
    w = push_mixing(DirectedRandom(out_degree=1 + seed % min(4, n - 1)).graph(n, seed)).dense()
    assert abs(w.sum(0) - 1).max() <= 1e-15
    assert (w.diagonal() > 0).all()


def test_push_mixing_of_an_undirected_graph_is_the_transpose_of_uniform():
    graph = Star().graph(7, 0)
    assert np.allclose(push_mixing(graph).dense().T, mixing(graph, "uniform").dense(), rtol=0, atol=1e-15)


def test_neither_rows_nor_columns():
    w = mixing(Path().graph(3, 0), "uniform")
    w.weights[0] += 0.1
    assert spectrum.stochastic(w) == "neither"


def test_given_weights_are_those_of_the_edges():
    w = mixing(from_weights(3, [(0, 1, 0.25), (1, 2, 0.5)]), "given").dense()
    assert np.allclose(w, [[0.75, 0.25, 0], [0.25, 0.25, 0.5], [0, 0.5, 0.5]], rtol=0, atol=1e-15)
    arcs = mixing(from_weights(2, [(0, 1, 0.5), (1, 0, 1.0)], directed=True), "given").dense()
    assert np.allclose(arcs, [[0, 1], [0.5, 0.5]], rtol=0, atol=1e-15)


YAML = "nodes: [{name: a}, {name: b}, {name: c}]\nedges:\n"
PAIR = "  - {{src: {}, dst: {}{}}}\n"


@pytest.mark.parametrize(
    ("ab", "bc", "weights", "message"),
    [
        (", weight: 0.5", "", "given", "'b' has no weight above 0 for what it hears from 'c'"),
        (", weight: 0.7", ", weight: 0.7", "given", "the weights of what 'b' hears add up to 1.4; at most 1"),
        (", weight: 0", "", "given", "weight = 0, but 0 < weight <= 1"),
        (", weight: 1.5", "", "given", "weight = 1.5, but 0 < weight <= 1"),
        (", weight: 0.5", "", "metropolis", "edges have weights, which do not count with weights: metropolis"),
    ],
)
def test_given_weights_of_a_file_are_checked(tmp_path, ab, bc, weights, message):
    (tmp_path / "net.yaml").write_text(YAML + PAIR.format("a", "b", ab) + PAIR.format("b", "c", bc))
    with pytest.raises(InputError, match=message):
        build(File(path=str(tmp_path / "net.yaml"), weights=weights), 3, 0)


def test_given_weights_of_a_file(tmp_path):
    (tmp_path / "net.yaml").write_text(
        YAML + PAIR.format("a", "b", ", weight: 0.4") + PAIR.format("b", "c", ", weight: 0.6")
    )
    w = build(File(path=str(tmp_path / "net.yaml"), weights="given"), 3, 0)[1]
    assert np.allclose(w.dense(), [[0.6, 0.4, 0], [0.4, 0, 0.6], [0, 0.6, 0.4]], rtol=0, atol=1e-15)
    assert spectrum.doubly_stochastic(w)


@pytest.mark.parametrize(
    ("weights", "graph", "sizes", "message"),
    [
        ("laplacian", directed_graph(2, [(0, 1), (1, 0)]), None, "laplacian needs an undirected graph"),
        ("sample", directed_graph(2, [(0, 1), (1, 0)]), [1, 1], "sample needs an undirected graph"),
        ("sample", undirected_graph(2, [(0, 1)]), None, "examples of each of 2 institutions, none are given"),
        ("sample", undirected_graph(2, [(0, 1)]), [1], "1 are given"),
        ("sample", undirected_graph(2, [(0, 1)]), [1, 0], r"institution 1 \(from 0\) has no examples"),
    ],
)
def test_rules_that_do_not_fit(weights, graph, sizes, message):
    with pytest.raises(InputError, match=message):
        mixing(graph, weights, sizes)
