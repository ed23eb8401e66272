"""Properties of every generator, n = 1..100: W is what it claims, the graph is what it says."""

from __future__ import annotations

import math
import subprocess
import sys

import networkx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from swarmsim.topology import spectrum
from swarmsim.topology.barbell import Barbell
from swarmsim.topology.base import Topology
from swarmsim.topology.build import build
from swarmsim.topology.complete import Complete
from swarmsim.topology.directed_random import DirectedRandom
from swarmsim.topology.equi_static import EquiStatic
from swarmsim.topology.erdos_renyi import ErdosRenyi
from swarmsim.topology.exponential import Exponential
from swarmsim.topology.geographic import Geographic
from swarmsim.topology.hypercube import Hypercube
from swarmsim.topology.mixing import mixing
from swarmsim.topology.path import Path
from swarmsim.topology.random_regular import RandomRegular
from swarmsim.topology.random_tree import RandomTree
from swarmsim.topology.ring import Ring
from swarmsim.topology.small_world import SmallWorld
from swarmsim.topology.star import Star
from swarmsim.topology.torus import Torus
from swarmsim.topology.tree import Tree
from swarmsim.types import InputError

ALL = [
    Ring, Path, Star, Torus, Complete, Hypercube, Exponential, ErdosRenyi, RandomRegular, SmallWorld, Barbell, Tree,
    RandomTree, Geographic, EquiStatic,
]  # fmt: skip
RANDOM = [ErdosRenyi, RandomRegular, SmallWorld, RandomTree, Geographic, EquiStatic, DirectedRandom]


def legal(kind, n):
    """The sizes that a generator with default arguments takes."""
    return {
        Hypercube: n & (n - 1) == 0,
        RandomRegular: n > 3 and n % 2 == 0,
        SmallWorld: n > 4,
    }.get(kind, True)


@pytest.mark.parametrize("kind", ALL)
def test_mixing_matrix_of_every_size(kind):
    for n in range(1, 101):
        if legal(kind, n):
            check(kind(), n)
        else:
            with pytest.raises(InputError, match=f"topology .*n.*{n}.*needed|is odd"):
                kind().graph(n, 0)


def check(topology, n):
    graph, w = build(topology, n, seed=7)
    assert list(graph) == list(range(n))
    assert networkx.number_of_selfloops(graph) == 0
    full = w.dense()
    arcs = networkx.to_numpy_array(graph, nodelist=range(n)).T
    assert ((full > 0) == (arcs + np.eye(n) > 0)).all()
    for i in range(n):
        columns, weights = w.row(i)
        assert (np.diff(columns) > 0).all()
        assert i in columns
        assert abs(math.fsum(weights) - 1) <= 1e-15
    assert abs(full.sum(0) - 1).max() <= 1e-13
    assert spectrum.doubly_stochastic(w)
    assert spectrum.connected(w)
    if not graph.is_directed():
        assert (full == full.T).all()


@pytest.mark.parametrize("kind", [Ring, Path, Star, Torus, Complete, ErdosRenyi, Barbell, Tree])
def test_uniform_weights_are_row_stochastic(kind):
    for n in (1, 2, 3, 10, 37):
        _graph, w = build(kind(weights="uniform"), n, seed=1)
        assert max(abs(math.fsum(w.row(i)[1]) - 1) for i in range(n)) <= 1e-15
        assert all(np.allclose(w.row(i)[1], 1 / len(w.row(i)[0]), rtol=0, atol=1e-15) for i in range(n))


@pytest.mark.parametrize("kind", ALL)
@pytest.mark.parametrize("n", [None, 0, -1])
def test_no_institutions(kind, n):
    with pytest.raises(InputError, match="institutions"):
        kind().graph(n, 0)


@pytest.mark.parametrize(
    ("topology", "n", "edges"),
    [
        (Ring(), 1, 0), (Ring(), 2, 1), (Ring(), 3, 3), (Path(), 1, 0), (Path(), 2, 1), (Star(), 1, 0), (Star(), 2, 1),
        (Torus(), 1, 0), (Torus(), 2, 1), (Torus(), 3, 3), (Torus(), 4, 4), (Torus(rows=2, cols=3), 6, 9),
        (Torus(), 7, 7), (Torus(), 9, 18), (Torus(rows=3), 6, 9), (Torus(cols=3), 12, 24),
        (Complete(), 1, 0), (Complete(), 2, 1), (Hypercube(), 1, 0), (Hypercube(), 2, 1), (Hypercube(), 4, 4),
        (Exponential(), 1, 0), (Exponential(), 2, 2), (Exponential(), 3, 6), (ErdosRenyi(), 1, 0),
        (ErdosRenyi(p=1), 4, 6), (RandomRegular(degree=0), 1, 0), (RandomRegular(degree=1), 2, 1),
        (RandomRegular(degree=2), 3, 3), (SmallWorld(neighbours=2, p=0), 3, 3), (Barbell(), 1, 0), (Barbell(), 2, 1),
        (Barbell(bridge=1), 3, 2), (Barbell(), 8, 13), (Barbell(bridge=2), 8, 9), (Barbell(), 5, 5), (Tree(), 1, 0),
        (Tree(), 2, 1), (RandomTree(), 1, 0), (RandomTree(), 2, 1), (RandomTree(), 3, 2), (Geographic(), 1, 0),
        (Geographic(), 4, 6), (Geographic(radius=1000), 7, 21), (EquiStatic(), 1, 0), (EquiStatic(), 2, 2),
        (EquiStatic(directed=False), 2, 1), (DirectedRandom(), 1, 0), (DirectedRandom(out_degree=1), 2, 2),
        (DirectedRandom(out_degree=1), 5, 5), (DirectedRandom(out_degree=4), 5, 20),
    ],
)  # fmt: skip
def test_degenerate_sizes(topology, n, edges):
    graph, _w = build(topology, n, seed=0)
    assert graph.number_of_edges() == edges


@pytest.mark.parametrize("kind", RANDOM)
def test_random_graphs_follow_the_seed(kind):
    first, again, other = (set(kind().graph(40, seed).edges) for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_random_graphs_do_not_depend_on_global_state_or_process():
    code = (
        "import random, numpy; random.seed(); numpy.random.seed(5)\n"
        "from swarmsim.topology.erdos_renyi import ErdosRenyi as E\n"
        "from swarmsim.topology.random_regular import RandomRegular as R\n"
        "from swarmsim.topology.small_world import SmallWorld as S\n"
        "from swarmsim.topology.random_tree import RandomTree as T\n"
        "from swarmsim.topology.geographic import Geographic as G\n"
        "from swarmsim.topology.equi_static import EquiStatic as Q\n"
        "from swarmsim.topology.directed_random import DirectedRandom as D\n"
        "print([list(k().graph(20, 3).edges) for k in (E, R, S, T, G, Q, D)])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str([list(kind().graph(20, 3).edges) for kind in RANDOM])


def test_sparse_erdos_renyi_says_why():
    with pytest.raises(InputError, match=r"none of 4 draws on n = 20 .*p = 0.01 .*p > ln\(n\)/n = 0.1498 is needed"):
        ErdosRenyi(p=0.01, redraw=3).graph(20, 0)


def connected_probability(n, p):
    """Exact, by the size k of the component of one institution: Gilbert, Random graphs, 1959."""
    chance = [0.0, 1.0]
    for m in range(2, n + 1):
        apart = (math.comb(m - 1, k - 1) * chance[k] * (1 - p) ** (k * (m - k)) for k in range(1, m))
        chance.append(1 - math.fsum(apart))
    return chance[n]


def test_erdos_renyi_redraws():
    """Of G(20, .15) 61 % of draws are disconnected, of G(20, .1) 95 %; a hundred redraws find a connected one."""
    refused = 0
    for seed in range(200):
        assert networkx.is_connected(ErdosRenyi(p=0.15).graph(20, seed))
        try:
            ErdosRenyi(p=0.15, redraw=0).graph(20, seed)
        except InputError:
            refused += 1
    assert refused / 200 == pytest.approx(1 - connected_probability(20, 0.15), abs=0.1)
    assert 1 - connected_probability(20, 0.1) == pytest.approx(0.95, abs=0.01)


@pytest.mark.parametrize(
    ("topology", "n", "message"),
    [
        (Star(hub=8), 8, "hub = 8, but hub < n = 8"),
        (Torus(rows=3), 8, r"rows = 3, but rows x cols = n = 8 is needed; write rows: 2 and cols: 4"),
        (Torus(rows=3, cols=3), 8, "rows = 3 and cols = 3"),
        (Torus(cols=9), 8, "cols = 9"),
        (Hypercube(), 12, "n = 12 .*the nearest are 8 and 16"),
        (RandomRegular(degree=5), 4, "degree = 5, but degree < n = 4"),
        (RandomRegular(), 5, "5 x 3 is odd.*degree: 2 or degree: 4"),
        (RandomRegular(degree=1), 8, "none of 101 draws.*degree >= 3"),
        (SmallWorld(neighbours=8), 8, "neighbours < n = 8 is needed; write neighbours: 6 or less"),
        (SmallWorld(), 2, "use: complete"),
        (Barbell(bridge=3), 4, "bridge = 3, but bridge <= n - 2 = 2 is needed with n = 4"),
        (Barbell(bridge=1), 1, "write bridge: 0 or less"),
        (DirectedRandom(), 2, "out_degree = 2, but out_degree < n = 2 is needed; write out_degree: 1 or less"),
        (Geographic(radius=1), 9, "none of 101 draws of places for n = 9 .* radius = 1 km; write a larger one"),
        (Geographic(nearest=1), 60, "with nearest = 1; write a larger one"),
    ],
)
def test_violated_inequalities(topology, n, message):
    with pytest.raises(InputError, match=message):
        topology.graph(n, 0)


def test_arguments_are_bounded():
    for kind, wrong in (
        (ErdosRenyi, {"p": 1.5}), (SmallWorld, {"neighbours": 3}), (Exponential, {"weights": "metropolis"}),
        (Star, {"hub": -1}), (Ring, {"weight": "uniform"}), (Ring, {"weights": "given"}), (Tree, {"children": 0}),
        (EquiStatic, {"weights": "metropolis"}), (DirectedRandom, {"weights": "metropolis"}),
        (Geographic, {"side": 10, "path": "x.yaml"}), (Geographic, {"radius": 10, "nearest": 3}),
    ):  # fmt: skip
        with pytest.raises(ValidationError):
            kind(**wrong)
    with pytest.raises(TypeError):
        Topology()


def test_ten_thousand_institutions_stay_sparse():
    _graph, w = build(RandomRegular(), 10_000, seed=0)
    assert len(w.weights) == 40_000


def test_directed_graph_that_is_not_balanced_is_flagged_not_refused():
    graph = networkx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)])
    for weights in ("metropolis", "uniform"):
        w = mixing(graph, weights)
        assert np.allclose(w.dense().sum(1), 1, rtol=0, atol=1e-15)
        assert w.dense()[1, 0] > 0 == w.dense()[0, 1]
        assert not spectrum.doubly_stochastic(w)


@given(st.integers(2, 60), st.integers(1, 5), st.integers(0, 2**40))
def test_directed_random_sends_to_so_many_and_reaches_everybody(n, out_degree, seed):
    graph = DirectedRandom(out_degree=min(out_degree, n - 1)).graph(n, seed)
    assert {degree for _, degree in graph.out_degree} == {min(out_degree, n - 1)}
    assert networkx.is_strongly_connected(graph)
    w = mixing(graph, "uniform")
    assert abs(w.dense().sum(1) - 1).max() <= 1e-15


@given(st.integers(1, 80), st.integers(0, 2**40))
def test_trees_are_trees(n, seed):
    assert networkx.is_tree(RandomTree().graph(n, seed))
    assert networkx.is_isomorphic(Tree(children=3).graph(n, seed), networkx.full_rary_tree(3, n))


def test_random_trees_are_uniform():
    """Of the 16 trees on four institutions 4 are stars; a given institution is a leaf with probability (3/4)^2."""
    drawn = [RandomTree().graph(4, seed) for seed in range(4000)]
    stars = sum(max(degree for _, degree in graph.degree) == 3 for graph in drawn) / 4000
    leaves = sum(graph.degree[1] == 1 for graph in drawn) / 4000
    for share, expected in ((stars, 4 / 16), (leaves, (3 / 4) ** 2)):
        assert abs(share - expected) < 3 * math.sqrt(expected * (1 - expected) / 4000)


@pytest.mark.parametrize(("n", "bridge"), [(8, 0), (10, 2), (12, 4)])
def test_barbell_is_that_of_networkx(n, bridge):
    mine = Barbell(bridge=bridge).graph(n, 0)
    assert networkx.is_isomorphic(mine, networkx.barbell_graph((n - bridge) // 2, bridge))


@pytest.mark.parametrize("directed", [True, False])
def test_equi_static_rho_does_not_grow_with_n(directed):
    """Theorem 1 of Song et al.: M >= 8/3 ln(2n/p)/e^2 offsets keep ||W - J|| below e with probability 1 - p."""
    e, p, seeds = 0.6, 0.2, 6
    for n in (16, 64, 128):
        topology = EquiStatic(offsets=math.ceil(8 / 3 * math.log(2 * n / p) / e**2), directed=directed)
        norms = [spectrum.rho(build(topology, n, seed)[1]) for seed in range(seeds)]
        assert np.mean(np.array(norms) < e) >= 1 - p


def test_equi_static_weights_by_hand():
    """n = 5 with one offset u: W = I/5 + 4/5 P_u; undirected, half of the weight each way."""
    drawn = {(b - a) % 5 for a, b in EquiStatic(offsets=1).graph(5, 3).edges}
    (u,) = drawn
    w = build(EquiStatic(offsets=1), 5, 3)[1].dense()
    shift = np.roll(np.eye(5), u, axis=0)  # row i + u hears i
    assert np.allclose(w, np.eye(5) / 5 + 4 / 5 * shift, rtol=0, atol=1e-15)
    both = build(EquiStatic(offsets=1, directed=False), 5, 3)[1].dense()
    assert np.allclose(both, (w + w.T) / 2, rtol=0, atol=1e-15)
