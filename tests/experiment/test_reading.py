"""Strict YAML: what values mean, and what is refused where."""

from __future__ import annotations

import math

import pytest
import yaml

from swarmsim.experiment import ExperimentError
from swarmsim.experiment.nodes import Source
from swarmsim.experiment.reading import MOST_VALUES, lines_of, read_text


def value(text: str):
    return read_text(f"a: {text}", Source("f", lines_of(f"a: {text}"))).plain()["a"]


def refused(text: str) -> str:
    with pytest.raises(ExperimentError) as caught:
        read_text(text, Source("f", lines_of(text)))
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1e-3", 1e-3), ("012", 12), ("-7", -7), ("+7", 7), ("0o17", 15), ("0x1F", 31), (".5", 0.5), ("5.", 5.0),
        ("1_000", "1_000"), ("no", "no"), ("yes", "yes"), ("on", "on"), ("off", "off"), ("y", "y"),
        ("12:30", "12:30"), ("2020-01-01", "2020-01-01"), ("true", True), ("False", False), ("tRue", "tRue"),
        ("null", None), ("~", None), ("'1'", "1"), ('"true"', "true"), ('""', ""), ("[1, a]", [1, "a"]),
        ("{b: {c: 1}}", {"b": {"c": 1}}), ("|\n  x\n  y\n", "x\ny\n"), ("1.2.3", "1.2.3"), ("=", "="),
        (".inf", math.inf), ("-.INF", -math.inf), ("0b1", "0b1"), ("é", "é"),
    ],
)  # fmt: skip
def test_values_are_those_of_yaml_1_2(text, meant):
    assert value(text) == meant
    assert type(value(text)) is type(meant)


def test_nan_is_a_number():
    assert math.isnan(value(".nan"))


def test_keys_are_text():
    assert read_text("1: a\ntrue: b\nno: c\n", Source("f")).plain() == {"1": "a", "true": "b", "no": "c"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: 2\na: 3\n", "f:3:1: duplicate key `a`: first given on line 1"),
        ("a: &x 1\n", "f:1:4: anchors"),
        ("a: 1\nb: *x\n", "f:2:4: anchors"),
        ("a: !!int 1\n", "f:1:4: tags"),
        ("a: !x {b: 1}\n", "f:1:4: tags"),
        ("a: !!python/object/apply:os.system [x]\n", "f:1:4: tags"),
        ("<<: {a: 1}\n", "f:1:1: merge keys"),
        ("a: 1\n---\nb: 2\n", "f:2:1: a second document"),
        ("%YAML 1.1\n---\na: 1\n", "directives"),
        ("a:\n", "f:1:1: no value: write one, or `null`"),
        ("a: {b: , c: 1}\n", "f:1:5: no value"),
        ("a: [1, 2\nb: 3\n", "f:2:2: not valid YAML: a bracket that is not closed"),
        ("a: 'x\n", "a quoted text that is not closed"),
        ("a:\n\t- 1\n", "f:2:1: a tab cannot indent"),
        ("a: b: c\n", "f:1:5: not valid YAML: no key can stand here"),
        ("a: 1\n b: 2\n", "check the indentation"),
        (" a: 1\nb: 2\n", "check the indentation"),
        ("a: @x\n", "f:1:4: not valid YAML: this character cannot start a value"),
        ("a: \x07\n", "f:1:4: a control character (U+0007)"),
        ('a: "x\\0y"\n', "f:1:4: NUL"),
        ("? [a]\n: 1\n", "a key must be a word"),
        ("a: 1e999\n", 'f:1:4: "1e999" is too large'),
        ("a: " + "9" * 5000, "f:1:4: a number of 5000 digits"),
        ("", "is empty"),
        ("# nothing\n", "is empty"),
        ("[" * 100_000, "nested deeper than 30 levels"),
        ("{a: " * 100_000, "nested deeper than 30 levels"),
        ("- " * 100_000, "nested deeper than 30 levels"),
        ("[" + "1," * MOST_VALUES + "1]", "more than 10000 keys and values"),
    ],
)
def test_refused(text, says):
    assert says in refused(text)


def test_all_that_can_be_stepped_over_is_reported_at_once():
    message = refused("a: &x 1\nb: *x\nc: !t 1\nd:\na: 2\n")
    assert [line.split(":")[1] for line in message.splitlines() if line.startswith("f:")] == ["1", "2", "3", "4", "5"]


def test_the_caret_points_at_the_column_of_a_long_line():
    message = refused("a: [" + "1, " * 200 + "*x]\n")
    excerpt, pointer = (line.split(" | ", 1)[1] for line in message.splitlines()[1:])
    assert excerpt[pointer.index("^")] == "*"


def test_both_parsers_of_pyyaml_agree(monkeypatch):
    text = "a: {b: [1, 2], c: 'x'}\nd: |\n  text\n"
    fast = read_text(text, Source("f"))
    monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    slow = read_text(text, Source("f"))
    assert fast.plain() == slow.plain()
    assert [node.at[1:] for node in fast.all()] == [node.at[1:] for node in slow.all()]
