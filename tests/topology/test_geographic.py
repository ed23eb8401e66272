"""Geographic graphs: distances, who is near whom, and latency from distance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from swarmsim.topology.geographic import Geographic
from swarmsim.topology.series import series
from swarmsim.types import InputError
from tests.topology.test_networks import PLACES

HEAD = "nodes:\n"
NODE = "  - {{name: {}, coordinates: [{}, {}]}}\n"


def wrote(tmp_path, *places, edges="edges: []\n"):
    text = HEAD + "".join(NODE.format(name, *place) for name, place in zip("abcdefgh", places, strict=False)) + edges
    (tmp_path / "places.yaml").write_text(text)
    return str(tmp_path / "places.yaml")


@pytest.mark.parametrize(
    ("first", "second", "km"),
    [
        ((0, 0), (0, 90), 6371 * np.pi / 2), ((90, 0), (-90, 17), 6371 * np.pi), ((10, 20), (10, 20), 0),
        ((0, 179), (0, -179), 6371 * np.pi / 90), ((60, 0), (61, 0), 6371 * np.pi / 180),
        ((48.8566, 2.3522), (51.5074, -0.1278), 343.6),  # Paris and London
    ],
)  # fmt: skip
def test_latency_is_great_circle_distance_over_speed(tmp_path, first, second, km):
    graph = Geographic(path=wrote(tmp_path, first, second), speed=1000).graph(2, 0)
    assert graph.edges[0, 1] == {"latency": pytest.approx(km / 1000, rel=1e-3, abs=1e-9)}


@settings(max_examples=40, deadline=None)
@given(st.integers(4, 40), st.integers(0, 2**40), st.integers(3, 6))
def test_each_is_joined_with_its_nearest(n, seed, k):
    graph = Geographic(nearest=k, side=100, bandwidth=5e6).graph(n, seed)
    points = np.array([graph.nodes[i]["coordinates"] for i in range(n)])
    assert points.min() >= 0
    assert points.max() <= 100
    distances = squareform(pdist(points))
    near = {frozenset((i, int(j))) for i in range(n) for j in np.argsort(distances[i])[1 : k + 1]}
    assert {frozenset(edge) for edge in graph.edges} == near
    for a, b, link in graph.edges(data=True):
        assert link == {"latency": pytest.approx(distances[a, b] / 125_000, rel=1e-12), "bandwidth": 5e6}


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(0, 2**40))
def test_all_within_the_radius_are_joined(n, seed):
    graph = Geographic(radius=250).graph(n, seed)
    distances = squareform(pdist(np.array([graph.nodes[i]["coordinates"] for i in range(n)])))
    near = {(int(i), int(j)) for i, j in np.argwhere(distances <= 250) if i < j}
    assert set(graph.edges) == near


def test_the_example_follows_the_institutions_names():
    names = ("Voss", "Odda", "Stord", "Bergen", "Floroe", "Foerde", "Egersund", "Haugesund", "Stavanger")
    found = series(Geographic(path=str(PLACES), radius=150), 9, 0, names).network
    assert [found.nodes[i]["name"] for i in found] == list(names)
    assert found.has_edge(0, 3)
    assert not found.has_edge(4, 6)
    assert 0 < found.edges[0, 3]["latency"] < 1e-3


def test_far_places_of_a_file_are_not_connected(tmp_path):
    with pytest.raises(InputError, match=r"not connected: 2 components instead of 1, \{a, b\}; \{c\}"):
        series(Geographic(path=wrote(tmp_path, (0, 0), (0, 1), (50, 50)), radius=200), 3, 0)


def test_files_that_do_not_fit(tmp_path):
    with pytest.raises(InputError, match="has 1 edges of its own, which would not count; write use: file"):
        Geographic(path=wrote(tmp_path, (0, 0), (1, 1), edges="edges: [{src: a, dst: b}]\n")).graph(2, 0)
    (tmp_path / "nowhere.yaml").write_text("nodes: [{name: a}, {name: b}]\nedges: []\n")
    with pytest.raises(InputError, match="node 'a' has no coordinates"):
        Geographic(path=str(tmp_path / "nowhere.yaml")).graph(2, 0)
