"""Closed forms of ORACLES: spectra that nobody here computed."""

from __future__ import annotations

import math
from dataclasses import replace
from math import cos, pi

import numpy as np
import pytest

from swarmsim.topology import spectrum
from swarmsim.topology.complete import Complete
from swarmsim.topology.describe import describe
from swarmsim.topology.exponential import Exponential
from swarmsim.topology.hypercube import Hypercube
from swarmsim.topology.mixing import mixing
from swarmsim.topology.path import Path
from swarmsim.topology.random_regular import RandomRegular
from swarmsim.topology.ring import Ring
from swarmsim.topology.star import Star
from swarmsim.topology.torus import Torus


def matrix(topology, n):
    return mixing(topology.graph(n, 0), topology.weights)


def rho(topology, n):
    return spectrum.rho(matrix(topology, n))


@pytest.mark.parametrize(("n", "published"), [(8, 0.804738), (16, 0.949253), (32, 0.987190)])
def test_ring(n, published):
    assert rho(Ring(), n) == pytest.approx(1 / 3 + 2 / 3 * cos(2 * pi / n), abs=1e-12)
    assert rho(Ring(), n) == pytest.approx(published, abs=1e-6)
    assert spectrum.lambda_min(matrix(Ring(), n)) == pytest.approx(-1 / 3, abs=1e-12)


@pytest.mark.parametrize("n", [3, 4, 8, 16, 31])
def test_path_is_a_ring_of_twice_the_size(n):
    assert rho(Path(), n) == pytest.approx(1 / 3 + 2 / 3 * cos(pi / n), abs=1e-12)
    assert rho(Path(), n) == pytest.approx(rho(Ring(), 2 * n), abs=1e-12)


@pytest.mark.parametrize(("rows", "cols"), [(4, 4), (3, 5), (3, 3), (6, 4)])
def test_torus(rows, cols):
    expected = max(
        abs(1 + 2 * cos(2 * pi * a / rows) + 2 * cos(2 * pi * b / cols)) / 5
        for a in range(rows)
        for b in range(cols)
        if (a, b) != (0, 0)
    )
    assert rho(Torus(rows=rows, cols=cols), rows * cols) == pytest.approx(expected, abs=1e-12)


def test_torus_of_16_is_square():
    assert rho(Torus(), 16) == pytest.approx(0.6, abs=1e-12)


@pytest.mark.parametrize("n", [3, 8, 50])
@pytest.mark.parametrize("hub", [0, 2])
def test_star(n, hub):
    assert rho(Star(hub=hub), n) == pytest.approx(1 - 1 / n, abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 3, 8, 50])
def test_complete(n):
    assert rho(Complete(), n) == pytest.approx(0, abs=1e-14)
    assert np.allclose(matrix(Complete(), n).dense(), 1 / n, rtol=0, atol=1e-15)


@pytest.mark.parametrize("d", [1, 2, 3, 4, 5, 6])
def test_hypercube(d):
    assert rho(Hypercube(), 2**d) == pytest.approx(1 - 2 / (d + 1), abs=1e-12)
    assert spectrum.lambda_min(matrix(Hypercube(), 2**d)) == pytest.approx(-(d - 1) / (d + 1), abs=1e-12)


@pytest.mark.parametrize("n", range(2, 65))
def test_static_exponential(n):
    published = 1 - 2 / (1 + math.ceil(math.log2(n)))
    if n % 2 == 0:
        assert rho(Exponential(), n) == pytest.approx(published, abs=1e-12)
    else:
        assert rho(Exponential(), n) < published


def test_uniform_star_gives_the_hub_a_third_of_the_mass():
    w = matrix(Star(weights="uniform"), 8)
    assert not spectrum.doubly_stochastic(w)
    perron = np.linalg.matrix_power(w.dense(), 2000)[0]
    assert perron[0] == pytest.approx(8 / 22, abs=1e-12)
    assert np.allclose(perron[1:], 2 / 22, rtol=0, atol=1e-12)


@pytest.mark.parametrize("topology", [Ring(), Exponential(), RandomRegular(), Star(weights="uniform")])
def test_sparse_agrees_with_dense(topology, monkeypatch):
    w = matrix(topology, 200)
    dense = (spectrum.rho(w), spectrum.lambda_min(w), spectrum.period_product_error([w, w]))
    monkeypatch.setattr(spectrum, "DENSE", 0)
    sparse = (spectrum.rho(w), spectrum.lambda_min(w), spectrum.period_product_error([w, w]))
    assert sparse == pytest.approx(dense, abs=1e-8)


def test_smallest_eigenvalue_of_a_large_matrix_may_be_positive(monkeypatch):
    """Lazy weights, (I + W)/2 of a path: the constant vector, eigenvalue 1, must not stand in for a 0."""
    w = matrix(Path(), 200)
    eye = w.columns == np.repeat(np.arange(200), np.diff(w.starts))
    lazy = replace(w, weights=w.weights * 0.4 + 0.6 * eye)
    monkeypatch.setattr(spectrum, "DENSE", 0)
    assert spectrum.lambda_min(lazy) == pytest.approx(0.6 + 0.4 * (1 / 3 - 2 / 3 * cos(pi / 200)), abs=1e-8)


def test_large_ring_through_shift_and_invert():
    w = matrix(Ring(), 10_000)
    assert spectrum.spectral_gap(w) == pytest.approx(2 / 3 * (1 - cos(2 * pi / 10_000)), rel=1e-6)


def test_period_product_multiplies_in_the_order_of_the_rounds():
    ring, star = matrix(Ring(), 5), matrix(Star(weights="uniform"), 5)
    product = star.dense() @ ring.dense()
    expected = np.linalg.norm(product - 1 / 5, 2)
    assert spectrum.period_product_error([ring, star]) == pytest.approx(expected, abs=1e-12)


def test_describe_of_the_ring():
    told = describe(Ring(), 8, 0)
    assert told.pop("rho") == told.pop("period_product_error") == pytest.approx(0.804738, abs=1e-6)
    assert told.pop("spectral_gap") == pytest.approx(0.195262, abs=1e-6)
    assert told.pop("lambda_min") == pytest.approx(-1 / 3, abs=1e-12)
    squares = (1 / 3 + 2 / 3 * np.cos(2 * pi * np.arange(8) / 8)) ** 2
    noise = np.mean(squares / (1 - 0.95 * squares))
    assert told.pop("effective_neighbours") == pytest.approx(1 / 0.05 / noise, rel=1e-12)
    assert told == {
        "n": 8, "edges": 8, "directed": False, "connected": True, "doubly_stochastic": True, "stochastic": "doubly",
        "negative_weights": False, "period": 1, "window": 1, "perron": None,
        "degree": {"min": 2, "mean": 2.0, "max": 2},
    }  # fmt: skip


def test_describe_counts_arcs():
    told = describe(Exponential(), 8, 0)
    assert (told["edges"], told["directed"], told["doubly_stochastic"]) == (24, True, True)
