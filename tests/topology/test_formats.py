"""Topology files from outside are data: every kind of bad file is refused, with its place."""

from __future__ import annotations

import re

import networkx
import pytest

from swarmsim.topology.file import File
from swarmsim.types import InputError

GOOD = """\
nodes: [{name: a}, {name: b}, {name: 'no'}]
edges:
  - {src: a, dst: b, latency: 1e-3, bandwidth: 012}
  - {src: b, dst: no}
"""


def read(tmp_path, content, name="net.yaml"):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    return File(path=str(tmp_path / name)).graph(None, 0)


def refusal(tmp_path, content, name="net.yaml"):
    with pytest.raises(InputError) as raised:
        read(tmp_path, content, name)
    return str(raised.value)


def test_yaml_numbers_and_words_as_in_yaml_1_2(tmp_path):
    graph = read(tmp_path, GOOD)
    assert [graph.nodes[i]["name"] for i in graph] == ["a", "b", "no"]
    assert dict(graph.edges[0, 1]) == {"latency": 0.001, "bandwidth": 12.0}
    assert dict(graph.edges[1, 2]) == {}


def test_yaml_directed_edges_send_from_src_to_dst(tmp_path):
    graph = read(tmp_path, GOOD + "directed: true\n")
    assert list(graph.edges) == [(0, 1), (1, 2)]


def edges(line):
    return f"nodes: [{{name: alpha}}, {{name: beta}}]\nedges:\n  - {line}\n"


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ("", "", "the file is empty"),
        ("- a\n", "1:1", "a mapping with the keys nodes, edges is needed, got a sequence"),
        ("nodes: []\nedges: []\n", "1:8", "at least one node"),
        ("nodes: [{name: a}]\n", "1:1", "key 'edges' is missing"),
        ("nodes: [{name: a}]\nedgs: []\n", "2:1", "unknown key 'edgs' (did you mean 'edges'?)"),
        ("nodes: [{name: a}]\nnodes: []\n", "2:1", "key 'nodes' is given twice, first in line 1"),
        ("nodes: [{name: a, name: b}]\nedges: []\n", "1:19", "key 'name' is given twice"),
        ("nodes: [{name: a}, {name: a}]\nedges: []\n", "1:20", "a second node is called 'a'"),
        ("nodes: [{name: 1}]\nedges: []\n", "1:16", "write it in quotes: '1'"),
        ("nodes: [{name: }]\nedges: []\n", "1:15", "name must be text"),
        ("nodes: [{name: a, coordinates: [1]}]\nedges: []\n", "1:32", "coordinates must be [latitude, longitude]"),
        ("nodes: [{name: a, coordinates: [91, 0]}]\nedges: []\n", "1:32", "within [-90, 90]"),
        ('nodes: [{name: "\\ud800"}]\nedges: []\n', "1:8", "characters that cannot be printed"),
        ("nodes: {a: 1}\nedges: []\n", "1:8", "a list of nodes is needed"),
        ("directed: yes\nnodes: [{name: a}]\nedges: []\n", "1:11", "directed must be true or false, got 'yes'"),
        ("name: 12\nnodes: [{name: a}]\nedges: []\n", "1:7", "name must be text"),
        ("? [a]\n: b\n", "1:3", "a key must be a word"),
        (edges("{src: alpha, dst: bata}"), "3:5", "no node is called 'bata' (did you mean 'beta'?)"),
        (edges("{src: alpha, dst: alpha}"), "3:5", "from 'alpha' to itself"),
        (edges("{src: alpha, dst: beta}\n  - {src: beta, dst: alpha}"), "4:5", "a second edge between"),
        (edges("{src: alpha, dst: beta, latency: -1}"), "3:5", "latency = -1, but latency >= 0 seconds"),
        (edges("{src: alpha, dst: beta, bandwidth: 0}"), "3:5", "bandwidth = 0, but bandwidth > 0"),
        (edges("{src: alpha, dst: beta, latency: 1e999}"), "3:38", "must be a finite number"),
        (edges("{src: alpha, dst: beta, latency: .nan}"), "3:38", "must be a finite number"),
        (edges("{src: alpha, dst: beta, latency: '1'}"), "3:38", "must be a finite number"),
        (edges("{src: alpha, dst: beta, latncy: 1}"), "3:29", "unknown key 'latncy' (did you mean 'latency'?)"),
        (edges("{src: alpha}"), "3:5", "key 'dst' is missing"),
        ("nodes: &x [{name: a}]\nedges: *x\n", "1:8", "anchors (&) and aliases (*) are not allowed"),
        ("nodes: *x\n", "1:8", "anchors (&) and aliases (*) are not allowed"),
        ("nodes: !!python/object/apply:os.system [ls]\n", "1:8", "tags are not allowed"),
        ("nodes: ! [a]\n", "1:8", "tags are not allowed"),
        ("nodes: " + "[" * 100_000, "1:15", "nested deeper than 8 levels"),
        ("nodes: [\n", "2:1", "not YAML"),
        ("nodes: []\n---\nnodes: []\n", "2:1", "not YAML"),
        ("nodes:\n\t- a\n", "2:1", "not YAML"),
    ],
)  # fmt: skip
def test_yaml_refusals(tmp_path, content, place, message):
    said = refusal(tmp_path, content)
    assert message in said
    assert re.search(re.escape(f"net.yaml:{place}: " if place else "net.yaml: "), said), said


def test_yaml_control_characters(tmp_path):
    assert "net.yaml:2: not YAML" in refusal(tmp_path, "nodes: []\n\x07")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("net.yaml", b"# " + b"x" * 1_000_000, "more than 1000000 bytes"),
        ("net.yaml", b"\xff\xfe\x00", "not UTF-8 text at byte 0"),
        ("net.json", b"{}", "must end in .yaml, .yml, .graphml"),
    ],
)
def test_files_that_are_not_read(tmp_path, name, content, message):
    assert message in refusal(tmp_path, content, name)


def test_missing_file_and_folder(tmp_path):
    (tmp_path / "ring.yaml").touch()
    with pytest.raises(InputError, match=r"no such file \(did you mean 'ring.yaml'\?\)"):
        File(path=str(tmp_path / "rnig.yaml")).graph(None, 0)
    with pytest.raises(InputError, match="no such file"):
        File(path=str(tmp_path / "none" / "x.yaml")).graph(None, 0)


def test_edge_list(tmp_path):
    graph = read(tmp_path, "# two lines\nb a 0.01 1e6\n\na c 0.02  # slow\n", "net.edgelist")
    assert [graph.nodes[i]["name"] for i in graph] == ["b", "a", "c"]
    assert dict(graph.edges[0, 1]) == {"latency": 0.01, "bandwidth": 1e6}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "net.txt: at least one node"),
        ("a b\nc\n", "net.txt:2: an edge is"),
        ("a b 1 2 3\n", "net.txt:1: an edge is"),
        ("a b fast\n", "net.txt:1: latency and bandwidth must be numbers, got fast"),
        ("a b nan\n", "net.txt:1: latency = nan"),
        ("a b 1 inf\n", "net.txt:1: bandwidth = inf"),
        ("a b\x07\n", "net.txt: the node name 'b\\x07' is empty or has characters"),
        ("a a\n", "net.txt:1: an edge from 'a' to itself"),
        ("a b\nb a\n", "net.txt:2: a second edge"),
    ],
)
def test_edge_list_refusals(tmp_path, content, message):
    assert message in refusal(tmp_path, content, "net.txt")


def graphml(body, default="undirected"):
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<graphml xmlns="http://graphml.graphdrawing.org/xmlns">'
        '<key id="k" for="edge" attr.name="latency" attr.type="double"/>'
        '<key id="m" for="edge" attr.name="latncy" attr.type="double"/>'
        '<key id="s" for="edge" attr.name="bandwidth" attr.type="string"/>'
        '<key id="v" for="node" attr.name="name" attr.type="string"/>'
        f'<graph edgedefault="{default}">{body}</graph></graphml>'
    )


def test_graphml_round_trip(tmp_path):
    made = networkx.DiGraph([("x", "y", {"latency": 0.5, "colour": "red"}), ("y", "x", {})])
    made.nodes["x"]["name"] = "North"
    networkx.write_graphml(made, tmp_path / "made.graphml")
    graph = File(path=str(tmp_path / "made.graphml")).graph(2, 0)
    assert [graph.nodes[i]["name"] for i in graph] == ["North", "y"]
    assert list(graph.edges(data=True)) == [(0, 1, {"latency": 0.5}), (1, 0, {})]


NODES = '<node id="a"/><node id="b"/>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<!DOCTYPE lolz [<!ENTITY a 'b'>]>\n" + graphml(NODES), "net.graphml:1: a DOCTYPE declaration is not allowed"),
        ("<graphml", "not XML"),
        ("<graphml/>", "not GraphML"),
        (graphml(NODES + '<edge source="a" target="b"/>' * 2), "the same edge is given twice"),
        (graphml(NODES + '<edge source="a" target="a"/>'), "to itself"),
        (graphml(NODES + '<edge source="a" target="b" directed="true"/>'), "not GraphML"),
        (graphml(NODES + '<edge source="a" target="b"><data key="k">-1</data></edge>'), "latency = -1"),
        (graphml(NODES + '<edge source="a" target="b"><data key="k">x</data></edge>'), "not GraphML"),
        (graphml(NODES + '<edge source="a" target="b"><data key="s">x</data></edge>'), "must be numbers"),
        (graphml(NODES + '<edge source="a" target="b"><data key="m">1</data></edge>'), "did you mean 'latency'?"),
        (graphml('<node id="a"/><node id="b"><data key="v">a</data></node>'), "two nodes have the same name"),
        (graphml(""), "at least one node"),
    ],
)  # fmt: skip
def test_graphml_refusals(tmp_path, content, message):
    assert message in refusal(tmp_path, content, "net.graphml")


def test_graphml_in_another_encoding(tmp_path):
    assert "net.graphml" in refusal(tmp_path, graphml(NODES).encode("utf-16"), "net.graphml")
