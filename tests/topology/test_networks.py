"""The networks of topologies/, and how nodes meet institutions."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmsim.topology.build import build
from swarmsim.topology.connected import check_connected
from swarmsim.topology.describe import describe
from swarmsim.topology.file import File
from swarmsim.topology.graphs import directed_graph, undirected_graph
from swarmsim.topology.ring import Ring
from swarmsim.topology.series import series
from swarmsim.types import InputError

FOLDER = Path(__file__).parents[2] / "topologies"
PLACES = FOLDER / "coast_and_islands.yaml"
FILES = sorted(set(FOLDER.glob("*.yaml")) - {PLACES})
HEART = File(path=str(FOLDER / "heart_disease.yaml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_table_in_the_readme_is_what_the_code_says(path):
    told = describe(File(path=str(path)), None, 0)
    degree = told["degree"]
    figures = " | ".join(f"{round(told[key], 6) + 0.0:.6f}" for key in ("rho", "spectral_gap", "lambda_min"))
    line = f"| `{path.name}` | {told['n']} | {told['edges']} | " + (
        f"{degree['min']} / {degree['mean']:.2f} / {degree['max']} | {figures} |"
    )
    assert line in (FOLDER / "README.md").read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_link_has_its_figures(path):
    graph = series(File(path=str(path)), None, 0).network
    assert all(0 < link["latency"] < 0.2 and link["bandwidth"] >= 1e6 for _a, _b, link in graph.edges(data=True))
    assert all({"name", "role", "coordinates"} == set(node) for _i, node in graph.nodes(data=True))


def named_edges(graph, names):
    return {(frozenset((names[a], names[b])), link["latency"]) for a, b, link in graph.edges(data=True)}


def test_nodes_follow_the_names_of_the_institutions():
    names = ("VA Long Beach", "Switzerland", "Hungary", "Cleveland")
    in_file, _w = build(HEART, 4, 0)
    graph, w = build(HEART, 4, 0, names)
    assert [graph.nodes[i]["name"] for i in graph] == list(names)
    assert list(graph) == [0, 1, 2, 3]
    assert named_edges(graph, names) == named_edges(in_file, [in_file.nodes[i]["name"] for i in in_file])
    assert list(w.row(2)[0]) == [1, 2]


def test_other_names_follow_the_order_of_the_file():
    graph, _w = build(HEART, 4, 0, ("a", "b", "c", "d"))
    assert [graph.nodes[i]["name"] for i in graph] == ["Cleveland", "Hungary", "Switzerland", "VA Long Beach"]


def test_some_names_only_is_an_error():
    with pytest.raises(InputError, match=r"3 of 4 .*not 'Hungry' \(did you mean 'Hungary'\?\)"):
        build(HEART, 4, 0, ("Cleveland", "Hungry", "Switzerland", "VA Long Beach"))


def test_numbers_must_agree():
    with pytest.raises(InputError, match="4 nodes in the file, but 5 institutions"):
        build(HEART, 5, 0)
    with pytest.raises(InputError, match="n = 5, but 2 institutions are named"):
        build(Ring(), 5, 0, ("a", "b"))
    assert build(Ring(), None, 0, ("a", "b"))[1].n == 2


def test_disconnected_is_an_error_that_names_the_components(tmp_path):
    (tmp_path / "two.txt").write_text("a b\nc d\nd e\n")
    with pytest.raises(InputError, match=r"not connected: 2 components instead of 1, \{c, d, e\}; \{a, b\}"):
        build(File(path=str(tmp_path / "two.txt")), 5, 0)
    told = describe(File(path=str(tmp_path / "two.txt")), None, 0)
    assert not told["connected"]
    assert told["rho"] == pytest.approx(1)


def test_directed_graphs_must_be_strongly_connected():
    with pytest.raises(InputError, match=r"not strongly connected.*\{a\}; \{b\}"):
        check_connected(directed_graph(2, [(0, 1)]), "ab")
    check_connected(directed_graph(1, []), "a")


def test_long_lists_of_components_are_shortened():
    names = [f"site{i}" for i in range(100)]
    with pytest.raises(InputError, match=r"91 components.*site5, and 4 more\}; .*and 85 more") as raised:
        check_connected(undirected_graph(100, ((i, i + 1) for i in range(9))), names)
    assert len(str(raised.value)) < 500
