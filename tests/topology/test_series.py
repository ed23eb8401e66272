"""Series: which W a round uses, and what of a changing topology must be connected."""

from __future__ import annotations

import math

import numpy as np
import pytest

from swarmsim.topology.base_k import BaseK
from swarmsim.topology.build import build
from swarmsim.topology.describe import describe
from swarmsim.topology.directed_random import DirectedRandom
from swarmsim.topology.equi_dyn import EquiDyn
from swarmsim.topology.file import File
from swarmsim.topology.matcha import Matcha
from swarmsim.topology.mixing import mixing
from swarmsim.topology.one_peer_exponential import OnePeerExponential
from swarmsim.topology.random_matching import RandomMatching
from swarmsim.topology.ring import Ring
from swarmsim.topology.series import series
from swarmsim.topology.star import Star
from swarmsim.topology.window import window
from swarmsim.types import InputError


def test_a_static_topology_has_one_matrix():
    found = series(Ring(), 6, 0, rounds=5)
    assert (len(found.graphs), len(found.mixings), found.which.tolist()) == (1, 1, [0] * 5)
    assert found.network is found.graphs[0]
    assert (found.at(4).dense() == build(Ring(), 6, 0)[1].dense()).all()


def test_a_period_is_used_in_turn():
    found = series(OnePeerExponential(), 8, 0, rounds=8)
    assert found.which.tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert [set(graph.edges) for graph in found.graphs] == [{(i, (i + hop) % 8) for i in range(8)} for hop in (1, 2, 4)]
    assert found.network.number_of_edges() == 24


def test_random_rounds_have_a_matrix_each_and_equal_ones_are_kept_once():
    topology = EquiDyn()
    found = series(topology, 5, 3, rounds=200)
    assert len(found.mixings) == 4
    for t in (0, 1, 17, 199):
        assert (found.at(t).dense() == mixing(topology.graph_at(5, 3, t), "given").dense()).all()
    assert len(series(RandomMatching(), 20, 0, rounds=50).mixings) == 50


def test_fewer_rounds_are_the_beginning_of_more():
    short, long = (series(RandomMatching(), 9, 1, rounds=rounds) for rounds in (5, 30))
    for t in range(5):
        assert (short.at(t).dense() == long.at(t).dense()).all()


def test_too_many_weights_are_refused(monkeypatch):
    monkeypatch.setattr("swarmsim.topology.series.MOST", 100)
    with pytest.raises(InputError, match="hold more than 100 weights; write fewer rounds"):
        series(RandomMatching(), 10, 0, rounds=50)


@pytest.mark.parametrize(
    ("period", "n", "rounds"), [(1, 9, 1), (7, 9, 7), (None, 8, 20), (None, 1000, 40), (None, 1, 20)]
)
def test_windows(period, n, rounds):
    assert window(period, n) == rounds


STEPS = """\
nodes: [{name: a}, {name: b}, {name: c}]
directed: %s
steps:
  - [{src: a, dst: b, latency: 0.5}]
  - []
  - [{src: b, dst: c}%s]
"""


def steps(tmp_path, directed="false", more=""):
    (tmp_path / "net.yaml").write_text(STEPS % (directed, more))
    return File(path=str(tmp_path / "net.yaml"))


def test_the_steps_of_a_file_are_a_period(tmp_path):
    found = series(steps(tmp_path), None, 0, ("c", "b", "a"), rounds=4)
    assert [list(graph.edges) for graph in found.graphs] == [[(1, 2)], [], [(0, 1)]]
    assert found.which.tolist() == [0, 1, 2, 0]
    assert np.allclose(found.at(0).dense(), [[1, 0, 0], [0, 0.5, 0.5], [0, 0.5, 0.5]], rtol=0, atol=1e-15)
    assert (found.at(1).dense() == np.eye(3)).all()
    assert found.network.edges[1, 2] == {"latency": 0.5}
    assert steps(tmp_path).graph(3, 0).number_of_edges() == 2


def test_the_union_of_a_period_must_be_connected(tmp_path):
    with pytest.raises(
        InputError, match=r"union of the graphs of 3 rounds is not strongly connected.*\{a\}; \{b\}; \{c\}"
    ):
        series(steps(tmp_path, "true"), 3, 0)
    assert series(steps(tmp_path, "true", ", {src: c, dst: a}"), 3, 0).network.number_of_edges() == 3


def test_the_union_of_random_rounds_must_be_connected():
    with pytest.raises(InputError, match="union of the graphs of 20 rounds is not connected"):
        series(Matcha(base={"use": "path"}, budget=0.01), 12, 0)
    with pytest.raises(InputError, match="union of the graphs of 20 rounds is not strongly connected"):
        series(EquiDyn(offsets=1), 6, seed_of_an_even_offset(), rounds=3)


def seed_of_an_even_offset():
    return next(s for s in range(50) if next((b - a) % 6 for a, b in EquiDyn(offsets=1).graph_at(6, s, 0).edges) == 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nodes: [{name: a}]\nsteps: []\n", "2:8: at least one step is needed"),
        ("nodes: [{name: a}]\nsteps: [[]]\nedges: []\n", "3:1: unknown key 'edges'"),
        ("nodes: [{name: a}]\nsteps: [{src: a}]\n", "2:9: a list of edges is needed"),
        ("nodes: [{name: a}, {name: b}]\nsteps:\n  - [{src: a, dst: b}, {src: b, dst: a}]\n", "a second edge"),
    ],
)
def test_steps_are_read_strictly(tmp_path, content, message):
    (tmp_path / "net.yaml").write_text(content)
    with pytest.raises(InputError, match=message):
        series(File(path=str(tmp_path / "net.yaml")), None, 0)


def test_build_refuses_what_changes():
    with pytest.raises(InputError, match="BaseK is another graph in every round"):
        build(BaseK(), 6, 0)


def test_sizes_reach_the_weights():
    w = build(Star(weights="sample"), 4, 0, sizes=(10, 20, 30, 40))[1].dense()
    assert np.allclose(np.array([0.1, 0.2, 0.3, 0.4]) @ w, [0.1, 0.2, 0.3, 0.4], rtol=0, atol=1e-15)
    with pytest.raises(InputError, match="none are given"):
        describe(Star(weights="sample"), 4, 0)


def test_describe_of_a_period():
    told = describe(OnePeerExponential(), 8, 0)
    assert (told["period"], told["window"], told["edges"], told["stochastic"]) == (3, 3, 24, "doubly")
    assert told["degree"] == {"min": 1, "mean": 1.0, "max": 1}
    assert told["period_product_error"] == pytest.approx(0, abs=1e-15)
    assert told["spectral_gap"] == 1.0
    assert told["rho"] == pytest.approx(1, abs=1e-12)  # a shift by 4 leaves those alone who differ by 4


def test_describe_of_random_rounds():
    told = describe(RandomMatching(), 8, 0)
    assert (told["period"], told["window"], told["connected"], told["doubly_stochastic"]) == (None, 20, True, True)
    assert told["rho"] == pytest.approx(1, abs=1e-12)
    assert told["spectral_gap"] == pytest.approx(1 - told["period_product_error"] ** (1 / 20), abs=1e-12)
    assert 0.1 < told["spectral_gap"] < 0.9


def test_describe_shows_who_counts_how_much():
    told = describe(Star(weights="uniform"), 8, 0)
    assert told["stochastic"] == "rows"
    assert np.allclose(told["perron"], [8 / 22] + [2 / 22] * 7, rtol=0, atol=1e-12)
    told = describe(DirectedRandom(), 9, 0)
    w = build(DirectedRandom(), 9, 0)[1].dense()
    assert np.allclose(told["perron"], np.linalg.matrix_power(w, 500)[3], rtol=0, atol=1e-12)


def test_describe_says_negative_weights():
    told = describe(Star(weights="laplacian"), 6, 0)
    assert (told["stochastic"], told["negative_weights"], told["doubly_stochastic"]) == ("doubly", True, False)


def noise(matrices, gamma, rounds=4000):
    """The mean variance of an institution by following the covariance for many rounds."""
    n = len(matrices[0])
    covariance, seen = np.zeros((n, n)), []
    for t in range(rounds):
        w = matrices[t % len(matrices)]
        covariance = w @ (gamma * covariance + np.eye(n)) @ w.T
        seen.append(covariance.trace() / n)
    return np.mean(seen[-100 * len(matrices) :])


@pytest.mark.parametrize(
    "topology", [Star(weights="uniform"), OnePeerExponential(), BaseK(k=2), DirectedRandom()], ids=repr
)
def test_effective_neighbours_is_what_averaging_noise_gives(topology):
    matrices = [w.dense() for w in series(topology, 7, 0).mixings]
    assert describe(topology, 7, 0)["effective_neighbours"] == pytest.approx(1 / 0.05 / noise(matrices, 0.95), rel=1e-9)


@pytest.mark.parametrize(("topology", "expected"), [("complete", 12), ("alone", 1)])
def test_effective_neighbours_of_the_extremes(topology, expected):
    from swarmsim.topology.spectrum import effective_neighbours
    from tests.jobs import complete, identity

    w = complete(12) if topology == "complete" else identity(12)
    for gamma in (0.5, 0.9, 0.999):
        assert effective_neighbours([w], gamma) == pytest.approx(expected, rel=1e-9)


def test_ring_of_many_has_the_effective_neighbours_of_the_infinite_one():
    """The mean over the spectrum tends to an integral, so n_eff stops growing with n: Vogels et al. 2022."""
    angle = 2 * math.pi * (np.arange(10_000) + 0.5) / 10_000
    squares = (1 / 3 + 2 / 3 * np.cos(angle)) ** 2
    assert describe(Ring(), 300, 0)["effective_neighbours"] == pytest.approx(
        20 / np.mean(squares / (1 - 0.95 * squares)), rel=1e-6
    )
