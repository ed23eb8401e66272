"""Strict YAML: a tree that knows where each value stands, and readers for its values.

Data only: no tags, anchors or aliases, no duplicate keys, one document, no deep nesting. Plain scalars are read as
in YAML 1.2: `1e-3` is a number, `no` is a word, `012` is twelve. Every refusal says file:line:column.
"""

from __future__ import annotations

import re
from typing import NoReturn

import yaml

from swarmsim.topology.guess import nearest
from swarmsim.types import InputError

__all__ = ["compose", "fail", "flag", "mapping", "number", "sequence", "text"]

DEPTH = 8
NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
OTHER = re.compile(
    r"|~|null|Null|NULL|true|True|TRUE|false|False|FALSE|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)|0[ox][0-9a-fA-F]+"
)


def compose(source: str, where: str) -> yaml.Node:
    """The one document of `source`; `where` is the file name that messages show."""
    try:
        loader = _Strict(source)
        loader.name = where
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        _at(error.problem_mark or error.context_mark, f"not YAML: {error.problem or error.context}")
    except yaml.reader.ReaderError as error:
        line = source.count("\n", 0, error.position) + 1
        raise InputError(f"{where}:{line}: not YAML: {error.reason}: #x{error.character:04x}") from None
    if node is None:
        raise InputError(f"{where}: the file is empty; see topologies/README.md for the format")
    return node


class _Strict(yaml.SafeLoader):
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: object) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            _at(event.start_mark, "anchors (&) and aliases (*) are not allowed; write the value out")
        if event.tag is not None:
            _at(event.start_mark, f"tags are not allowed, here {event.tag!r}; leave it out or quote the text")
        if self.depth >= DEPTH:
            _at(event.start_mark, f"nested deeper than {DEPTH} levels")
        self.depth += 1
        node = yaml.SafeLoader.compose_node(self, parent, index)
        self.depth -= 1
        return node


def fail(node: yaml.Node, message: str) -> NoReturn:
    """InputError with the place of `node`."""
    _at(node.start_mark, message)


def _at(mark: yaml.Mark, message: str) -> NoReturn:
    raise InputError(f"{mark.name}:{mark.line + 1}:{mark.column + 1}: {message}")


def mapping(node: yaml.Node, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, yaml.Node]:
    """Values by key; unknown, double and missing keys are refused."""
    if not isinstance(node, yaml.MappingNode):
        fail(node, f"a mapping with the keys {', '.join(required)} is needed, got {_shown(node)}")
    values: dict[str, yaml.Node] = {}
    for key, value in node.value:
        word = key.value if isinstance(key, yaml.ScalarNode) else fail(key, "a key must be a word")
        if word not in required + optional:
            fail(key, f"unknown key {word[:60]!r}{nearest(word, required + optional)}; "
                 f"allowed: {', '.join(required + optional)}")  # fmt: skip
        if word in values:
            fail(key, f"key {word!r} is given twice, first in line {values[word].start_mark.line + 1}")
        values[word] = value
    missing = [word for word in required if word not in values]
    if missing:
        fail(node, f"key {missing[0]!r} is missing; needed: {', '.join(required)}")
    return values


def sequence(node: yaml.Node, what: str) -> list[yaml.Node]:
    """The items of a list of `what`."""
    if not isinstance(node, yaml.SequenceNode):
        fail(node, f"a list of {what} is needed, got {_shown(node)}")
    return node.value


def text(node: yaml.Node, what: str) -> str:
    """A word or sentence; what YAML would read as a number, truth value or null must be quoted."""
    if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
        fail(node, f"{what} must be text, got {_shown(node)}")
    if node.style is None and (NUMBER.fullmatch(node.value) or OTHER.fullmatch(node.value)):
        fail(node, f"{what} must be text, got {node.value}; write it in quotes: '{node.value}'")
    return node.value


def number(node: yaml.Node, what: str) -> float:
    """A finite decimal number."""
    plain = isinstance(node, yaml.ScalarNode) and node.style is None and NUMBER.fullmatch(node.value)
    if not plain or abs(float(node.value)) == float("inf"):
        fail(node, f"{what} must be a finite number, got {_shown(node)}")
    return float(node.value)


def flag(node: yaml.Node, what: str) -> bool:
    """true or false."""
    if not isinstance(node, yaml.ScalarNode) or node.style is not None or node.value not in ("true", "false"):
        fail(node, f"{what} must be true or false, got {_shown(node)}")
    return node.value == "true"


def _shown(node: yaml.Node) -> str:
    return repr(node.value[:60]) if isinstance(node, yaml.ScalarNode) else f"a {node.id}"
