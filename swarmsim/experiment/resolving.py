"""Document -> study: methods inherit the top level, every section is validated, every default filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swarmsim.experiment.components import FOLDERS
from swarmsim.experiment.errors import ExperimentError, Issue, shown
from swarmsim.experiment.nodes import Node, Place, merge
from swarmsim.experiment.settings import SETTINGS, Evaluate, General, Label, RuntimeSettings
from swarmsim.experiment.study import Experiment, Study
from swarmsim.experiment.validation import Naming, arguments, section, unknown_keys

__all__ = ["ENTRY_KEYS", "TOP_KEYS", "resolve"]

GENERAL = tuple(General.model_fields)
SECTIONS = (*FOLDERS, *SETTINGS)
REQUIRED = ("data", "model", "task", "algorithm")
SHARED = ("name", "seed", "institutions", "data", "partition")
MOST_METHODS = 200
A_FILE = re.compile(
    r".*\.(yaml|csv|json|npz|safetensors|tmp)|events\.out\.tfevents.*", re.IGNORECASE
)  # of a run folder
TOP_KEYS = ("name", "extends", "seed", "rounds", "institutions", *FOLDERS, "methods", *SETTINGS)
ENTRY_KEYS = ("label", "rounds", "model", "task", "topology", "merge", "algorithm", *SETTINGS)


def resolve(root: Node, overridden: Sequence[Node] = (), plugins: tuple[str, ...] = ()) -> Study:
    """The study in a document; `overridden` are values that must have an effect on it."""
    issues = unknown_keys(root, TOP_KEYS, _plainly)
    methods = _present(root).get("methods")
    entries = _entries(root, methods, issues)
    trees = [_tree(root, entry) for entry in entries]
    labels = _labels(trees, entries, issues)
    found = [_experiment(*one, issues, plugins) for one in zip(trees, labels, _namings(entries), strict=True)]
    issues += _without_effect(overridden, trees) if not issues else []
    if issues:
        raise ExperimentError(issues)
    return _study(tuple(found), single=methods is None)


def _plainly(path: Sequence[str | int]) -> str:
    return ".".join(map(str, path))


def _present(node: Node) -> dict[str, Node]:
    """What a mapping holds; null takes a value away that was inherited."""
    return {key: value for key, value in node.value.items() if value.value is not None}


def _entries(root: Node, methods: Node | None, issues: list[Issue]) -> list[Node]:
    """The entries of `methods`, or one empty entry where there are none."""
    if methods is None:
        return [Node({}, root.at, root.key)]
    if not isinstance(methods.value, list) or not methods.value:
        issues.append(Issue(methods.at, "methods", f"must be a list of methods, got {shown(methods.plain())}"))
        return []
    if len(methods.value) > MOST_METHODS:
        text = f"{len(methods.value)} methods are more than the {MOST_METHODS} that one file may compare"
        issues.append(Issue(methods.at, "methods", text))
        return []
    for k, entry in enumerate(methods.value):
        if not entry.is_mapping:
            text = f"must be a section such as {{algorithm: {{use: ...}}}}, got {shown(entry.plain())}"
            issues.append(Issue(entry.at, f"methods.{k}", text))
            continue
        shared = [key for key in entry.value if key in SHARED]
        issues += [Issue(entry.value[key].key, f"methods.{k}.{key}", _only_once(key)) for key in shared]
        rest = entry._replace(value={key: value for key, value in entry.value.items() if key not in SHARED})
        issues += unknown_keys(rest, ENTRY_KEYS, lambda path, k=k: f"methods.{k}.{_plainly(path)}")
    return [entry for entry in methods.value if entry.is_mapping]


def _only_once(key: str) -> str:
    return f"belongs to the whole file: all methods are compared with the same {key}; move it to the top level"


def _tree(root: Node, entry: Node) -> Node:
    """A method's own document: its entry on top of the top level."""
    top = {key: value for key, value in root.value.items() if key not in ("methods", "extends")}
    own = {key: value for key, value in entry.value.items() if key in ENTRY_KEYS}
    return merge(root._replace(value=top), Node(own, entry.at, entry.key))


def _namings(entries: list[Node]) -> Iterator[Naming]:
    """How each method names a path: with `methods.k` where the entry itself says something of that section."""
    for k, entry in enumerate(entries):
        yield lambda path, k=k, own=entry.value: _plainly([*(("methods", k) if path[0] in own else ()), *path])


def _labels(trees: list[Node], entries: list[Node], issues: list[Issue]) -> list[str]:
    """What each method is called: its label, or its `use`; names that would share a folder are told apart."""
    given = []
    for k, entry in enumerate(entries):
        node = entry._replace(value={key: value for key, value in entry.value.items() if key == "label"})
        label = arguments(Label, node, ["methods", str(k)], _plainly, issues)
        given.append(label.label if label else None)
    taken = set()
    for k, label in enumerate(given):
        if label and label.lower() in taken:
            text = f"{shown(label)} is the label of two methods"
            issues.append(Issue(entries[k].value["label"].at, f"methods.{k}.label", text))
        if label and A_FILE.fullmatch(label):
            text = f"{shown(label)} is the name of a file in a run folder, where each method has a folder of its own"
            issues.append(Issue(entries[k].value["label"].at, f"methods.{k}.label", text))
        taken |= {label.lower()} if label else set()
    labels = []
    for label, tree in zip(given, trees, strict=True):
        labels.append(label or _free(_use(tree, "algorithm").replace("/", "-"), taken))
        taken.add(labels[-1].lower())
    return labels


def _use(tree: Node, key: str) -> str:
    use = tree.get(key) and tree.get(key).get("use")
    return str(use.value) if use else ""


def _free(label: str, taken: set[str]) -> str:
    numbered = (f"{label}-{number}" for number in range(2, len(taken) + 3))
    return next(name for name in (label, *numbered) if name.lower() not in taken)


def _experiment(
    tree: Node, label: str, name: Naming, issues: list[Issue], plugins: tuple[str, ...]
) -> Experiment | None:
    before, present = len(issues), _present(tree)
    nowhere = Place(tree.at.source)
    general = Node({key: present[key] for key in GENERAL if key in present}, nowhere, nowhere)
    said = arguments(General, general, [], name, issues)
    built = {key: section(key, present[key], name, issues, plugins) for key in SECTIONS if key in present}
    for key in REQUIRED:
        if key not in present:
            wanted = "a section `algorithm` or a list of `methods`" if key == "algorithm" else "a section"
            issues.append(Issue(tree.key if tree.key.line > 1 else nowhere, name([key]), f"missing: {wanted}"))
    if len(issues) > before:
        return None
    sections = dict.fromkeys(SECTIONS) | {"evaluate": Evaluate(), "runtime": RuntimeSettings()} | built
    document = _document(said, sections, tree)
    return Experiment(
        name=said.name, label=label, seed_data=said.seeds.data, seed_run=said.seeds.run, rounds=said.rounds,
        institutions=said.institutions, resolved=document, origins=dict(_origins(document, tree)), **sections,
    )  # fmt: skip


def _document(said: General, sections: Mapping[str, Any], tree: Node) -> dict[str, Any]:
    """The complete document: general keys in their order, then sections, `use` first."""
    document = {**said.model_dump(mode="json", exclude_none=True), "seed": said.seeds.model_dump()}
    for key, value in sections.items():
        if value is not None:
            use = {"use": _use(tree, key)} if key in FOLDERS else {}
            document[key] = {**use, **value.model_dump(mode="json")}
    return document


def _origins(value: Any, node: Node | None, path: str = "") -> Iterator[tuple[str, str]]:
    """For each value of a complete document where it came from, `node` being what was written there."""
    if not isinstance(value, dict) or not value:
        yield path, node.at.origin if node else "default"
        return
    for key, inner in value.items():
        written = node.get(key) if node and node.is_mapping else node
        yield from _origins(inner, written, f"{path}.{key}" if path else key)


def _without_effect(overridden: Sequence[Node], trees: list[Node]) -> list[Issue]:
    used = {id(node.at.source) for tree in trees for node in tree.all()} if overridden else set()
    text = "changes nothing: every method gives this itself; name the method, as in methods.0.algorithm.lr=0.1"
    return [Issue(node.at, "", text) for node in overridden if id(node.at.source) not in used]


def _study(methods: tuple[Experiment, ...], single: bool) -> Study:
    first = methods[0]
    if single:
        return Study(first.name, methods, True, first.resolved, first.origins)
    same = [key for key in first.resolved if all(e.resolved.get(key) == first.resolved[key] for e in methods)]
    own = [{key: value for key, value in e.resolved.items() if key not in same} for e in methods]
    entries = [{"label": e.label, **rest} for e, rest in zip(methods, own, strict=True)]
    origins = {path: origin for path, origin in first.origins.items() if path.split(".")[0] in same}
    for k, experiment in enumerate(methods):
        rest = {path: origin for path, origin in experiment.origins.items() if path.split(".")[0] not in same}
        origins |= {f"methods.{k}.{path}": origin for path, origin in rest.items()}
    return Study(
        first.name, methods, False, {**{key: first.resolved[key] for key in same}, "methods": entries}, origins
    )
