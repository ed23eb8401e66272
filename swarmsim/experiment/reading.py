"""Strict YAML: the part of YAML 1.2 that says one thing only.

Numbers, booleans and null are those of the 1.2 core schema: `1e-3` is a number, `012` is twelve, `no` and `12:30`
are text. Duplicate keys, anchors, tags, merge keys, several documents, and values left empty are refused. Size,
depth and the number of values are bounded, so that no file is slow to refuse.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from swarmsim.experiment.errors import ExperimentError, Issue, shown
from swarmsim.experiment.nodes import Node, Place, Source

__all__ = ["FLOAT", "INTEGER", "lines_of", "read_text"]

DEEPEST, MOST_VALUES, LONGEST_NUMBER = 30, 10_000, 400
MOST_ISSUES = 50  # more than are shown, few enough to be quick
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
WORDS = {"null": None, "Null": None, "NULL": None, "~": None, "true": True, "True": True, "TRUE": True,
         "false": False, "False": False, "FALSE": False}  # fmt: skip
UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
HALF = re.compile("[\0\ud800-\udfff]")
FIRST = frozenset("+-.0123456789")  # what a number begins with
REWORDED = (
    (r"found character.*cannot start any token", "this character cannot start a value: quote the text"),
    (r"mapping values are not allowed", "no key can stand here: check the indentation, or quote a text with `: `"),
    (r"expected ',' or '\}'|expected ',' or ']'", "a bracket that is not closed, or a missing comma"),
    (r"could not find expected ':'", "a key without `:`, or a text that is not closed"),
    (r"expected (the )?node content", "a value is missing or out of place here"),
    (r"block sequence entries are not allowed", "a list with `- ` starts on a line of its own"),
    (r"unexpected end of stream", "a quoted text that is not closed"),
    (r"expected <block end>|did not find expected key|expected '-' indicator|expected .?<document start>",
     "this line does not fit the lines above: check the indentation"),
)  # fmt: skip


def lines_of(text: str) -> tuple[str, ...]:
    """Lines as YAML counts them."""
    return tuple(re.split("\r\n|[\n\r\x85\u2028\u2029]", text))


def read_text(text: str, source: Source) -> Node:
    """The one document in a text, or an error that names every place where it is not plain."""
    if odd := UNREADABLE.search(text):
        before = lines_of(text[: odd.start()])
        place = Place(source, len(before), len(before[-1]) + 1)
        raise ExperimentError([Issue(place, "", f"a control character (U+{ord(odd[0]):04X}) is not allowed")])
    composer = _Composer(source, yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    try:
        root = composer.document()
    except yaml.MarkedYAMLError as error:
        raise ExperimentError([*composer.issues, _syntax(error, source)]) from None
    if composer.issues:
        raise ExperimentError(composer.issues)
    return root


def _syntax(error: yaml.MarkedYAMLError, source: Source) -> Issue:
    mark = error.problem_mark or error.context_mark
    place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
    line = source.lines[mark.line] if mark and mark.line < len(source.lines) else ""
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return Issue(place, "", "a tab cannot indent a line: use spaces")
    problem = error.problem or "unreadable"
    words = next((words for pattern, words in REWORDED if re.search(pattern, problem)), problem)
    return Issue(place, "", f"not valid YAML: {words}")


class _Composer:
    """Turns YAML events into nodes; what can be stepped over is collected in `issues`, the rest ends the reading."""

    def __init__(self, source: Source, events: Iterator[yaml.Event]) -> None:
        self.source, self.events, self.issues, self.count = source, events, [], 0

    def document(self) -> Node:
        next(self.events)  # the stream's start
        start = next(self.events)
        if not isinstance(start, yaml.DocumentStartEvent):
            self._stop(Place(self.source), "is empty")
        if start.version or start.tags:
            self._note(self._place(start), "directives such as %YAML are not allowed")
        root = self._node(next(self.events), 0, None)
        next(self.events)  # the document's end
        second = next(self.events)
        if isinstance(second, yaml.DocumentStartEvent):
            self._note(self._place(second), "a second document: one file holds one experiment")
        return root

    def _node(self, event: yaml.Event, depth: int, key: Place | None) -> Node:
        at = self._place(event)
        self._count(at)
        if depth > DEEPEST:
            self._stop(at, f"nested deeper than {DEEPEST} levels")
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            self._note(at, "anchors (`&name`) and aliases (`*name`) are not allowed: write the value, or use `extends`")
        if getattr(event, "tag", None):
            self._note(at, "tags (`!name`) are not allowed")
        return Node(self._value(event, depth, key or at), at, key or at)

    def _value(self, event: yaml.Event, depth: int, key: Place) -> Any:
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        if isinstance(event, yaml.SequenceStartEvent):
            items = iter(self.events.__next__, None)
            ended = itertools.takewhile(lambda item: not isinstance(item, yaml.SequenceEndEvent), items)
            return [self._node(item, depth + 1, None) for item in ended]
        return self._scalar(event, key) if isinstance(event, yaml.ScalarEvent) else None

    def _mapping(self, depth: int) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        while not isinstance(key := next(self.events), yaml.MappingEndEvent):
            at = self._place(key)
            name = self._key(key)
            node = self._node(next(self.events), depth + 1, at)
            if name in entries:
                self._note(at, f"duplicate key `{name}`: first given on line {entries[name].key.line}")
            entries.setdefault(name, node)
        return entries

    def _key(self, event: yaml.Event) -> str:
        self._count(self._place(event))
        if not isinstance(event, yaml.ScalarEvent):
            self._stop(self._place(event), "a key must be a word, not a list, a section or an alias")
        if event.anchor or event.tag:
            self._note(self._place(event), "anchors and tags are not allowed on a key")
        if event.value == "<<":
            self._note(self._place(event), "merge keys (`<<`) are not allowed: use `extends`")
        self._check_text(event)
        return event.value

    def _scalar(self, event: yaml.ScalarEvent, key: Place) -> Any:
        text, plain = event.value, event.implicit[0]
        self._check_text(event)
        if not plain:
            return text
        if not text:
            self._note(key, "no value: write one, or `null` if none is meant")
        if text in WORDS:
            return WORDS[text]
        return self._number(event) if text[:1] in FIRST else text

    def _number(self, event: yaml.ScalarEvent) -> int | float | str:
        text = event.value
        integer, real = INTEGER.fullmatch(text), FLOAT.fullmatch(text)
        if not (integer or real):
            return text
        if len(text) > LONGEST_NUMBER:
            self._stop(self._place(event), f"a number of {len(text)} digits")
        if integer:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        if math.isinf(number) and "inf" not in text.lower():
            self._note(self._place(event), f"{shown(text)} is too large for a number")
        return number

    def _count(self, place: Place) -> None:
        self.count += 1
        if self.count > MOST_VALUES:
            self._stop(place, f"more than {MOST_VALUES} keys and values in one file: keep data in a data file")

    def _check_text(self, event: yaml.ScalarEvent) -> None:
        if event.style == '"' and HALF.search(event.value):  # elsewhere it would be UNREADABLE
            self._note(self._place(event), "NUL and half characters are not allowed in a text")

    def _place(self, event: yaml.Event) -> Place:
        return Place(self.source, event.start_mark.line + 1, event.start_mark.column + 1)

    def _note(self, place: Place, text: str) -> None:
        self.issues.append(Issue(place, "", text))
        if len(self.issues) >= MOST_ISSUES:
            raise ExperimentError(self.issues)

    def _stop(self, place: Place, text: str) -> None:
        raise ExperimentError([*self.issues, Issue(place, "", text)])
