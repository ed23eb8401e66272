"""`--set key.path=value` and its short forms: values from the command line on top of a document."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from swarmsim.experiment.errors import ExperimentError, Issue, printable, shown
from swarmsim.experiment.nodes import Node, Place, Source, merge
from swarmsim.experiment.reading import lines_of, read_text

__all__ = ["Override", "apply", "assignments", "short_forms"]

LONGEST_NAME, DEEPEST = 100, 30  # characters of an option in a message; steps of a path, as in a file


class Override(NamedTuple):
    """A value for the key at a path."""

    path: tuple[str, ...]
    node: Node


def assignments(texts: Iterable[str]) -> list[Override]:
    """`key.path=value`, the value read as in a file."""
    return [_assignment(text) for text in texts]


def short_forms(root: Node, options: Mapping[str, Any]) -> list[Override]:
    """`--seed 3`, `--runtime ray`, `--hosts 2`, `--address A`: also where a method has a runtime of its own."""
    paths = {"--seed": ("seed",), "--runtime": ("runtime", "use")}
    paths |= {"--hosts": ("runtime", "hosts"), "--address": ("runtime", "address")}
    found = []
    for option, value in options.items():
        place = Place(Source(f"{option} {value}", option=True))
        node = Node(value, place, place)
        found += [Override((*prefix, *paths[option]), node) for prefix in _holders(root, paths[option][0])]
    return found


def apply(root: Node, overrides: Sequence[Override]) -> Node:
    """The document with the overrides: whole sections first, then `use`, then single values, in the order given."""
    seen: dict[tuple[str, ...], Override] = {}
    for override in overrides:
        if override.path in seen:
            earlier = seen[override.path].node.at
            raise _refused(override, f"given twice, also as `{earlier}`")
        seen[override.path] = override
    for override in sorted(overrides, key=lambda o: (len(o.path), o.path[-1] != "use")):
        root = _put(root, override.path, override)
    return root


def _holders(root: Node, key: str) -> list[tuple[str, ...]]:
    methods = root.get("methods")
    entries = methods.value if methods and isinstance(methods.value, list) else []
    return [(), *(("methods", str(k)) for k, entry in enumerate(entries) if key == "runtime" and entry.get(key))]


def _assignment(text: str) -> Override:
    source = Source(printable(f"--set {text}", LONGEST_NAME), option=True)
    path, sign, value = text.partition("=")
    steps = tuple(path.split("."))
    if len(steps) > DEEPEST:
        raise ExperimentError([Issue(Place(source), "", f"a path of {len(steps)} steps; no value is that deep")])
    if not (sign and all(steps)):
        raise ExperimentError([Issue(Place(source), "", "must look like key.path=value")])
    node = read_text(value, Source(source.name, lines_of(value), option=True))
    return Override(steps, node)


def _put(node: Node, steps: tuple[str, ...], override: Override) -> Node:
    if not steps:
        return Node(override.node.value, override.node.at, override.node.at)
    first, rest = steps[0], steps[1:]
    done = override.path[: len(override.path) - len(steps)]
    if isinstance(node.value, list):
        items = list(node.value)
        if not (first.isascii() and first.isdigit() and len(first) < 9 and int(first) < len(items)):
            raise _refused(override, f"{'.'.join(done)} has the items 0 to {len(items) - 1}, not {first}")
        items[int(first)] = _put(items[int(first)], rest, override)
        return node._replace(value=items)
    if done == ("seed",) and not node.is_mapping:
        node = node._replace(value={"data": node, "run": node})
    if not node.is_mapping:
        raise _refused(override, f"{'.'.join(done)} is {shown(node.plain())}, not a section with keys")
    inner = _put(node.value.get(first, _empty(override)), rest, override)
    if first == "use" and not rest:
        return merge(node, node._replace(value={first: inner}), done[-1] if done else "")
    return node._replace(value={**node.value, first: inner})


def _empty(override: Override) -> Node:
    return Node({}, override.node.at, override.node.at)


def _refused(override: Override, text: str) -> ExperimentError:
    return ExperimentError([Issue(override.node.at, ".".join(override.path), text)])
