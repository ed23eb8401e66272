"""A section as it was written -> the validated arguments of its class, or what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from pydantic import ValidationError

from swarmsim.experiment.components import FOLDERS, component, components
from swarmsim.experiment.errors import Issue, did_you_mean, guess, shown
from swarmsim.experiment.nodes import Node
from swarmsim.experiment.phrases import at, phrase, schema_of
from swarmsim.experiment.plugins import is_module_name, plugin
from swarmsim.experiment.settings import SETTINGS
from swarmsim.types import Arguments, InputError

__all__ = ["Naming", "arguments", "section", "unknown_keys"]

MOST = 20  # issues of one kind in one section: more than are shown, few enough to be quick
Naming = Callable[[Sequence[str | int]], str]  # path of a value -> what it is called in a message


def section(key: str, node: Node, name: Naming, issues: list[Issue], plugins: tuple[str, ...] = ()) -> Arguments | None:
    """The component that a section names with `use`, or the settings of a section without a folder."""
    if not node.is_mapping:
        example = f"{{use: {node.value}}}" if key in FOLDERS and isinstance(node.value, str) else "{...}"
        issues.append(Issue(node.at, name([key]), f"must be a section such as {example}, got {shown(node.plain())}"))
        return None
    if key in SETTINGS:
        return arguments(SETTINGS[key], node, [key], name, issues)
    use = node.get("use")
    if use is None or not isinstance(use.value, str):
        place, given = (node.key, "missing") if use is None else (use.at, f"must be a name, got {shown(use.plain())}")
        issues.append(Issue(place, name([key, "use"]), given, f"allowed: {', '.join(components(key, plugins))}"))
        return None
    cls = component(key, use.value, plugins)
    if cls is None:
        hint = _way_out(key, use.value, plugins)
        issues.append(Issue(use.at, name([key, "use"]), f"unknown name {shown(use.value)}", hint))
        return None
    written = Node({part: value for part, value in node.value.items() if part != "use"}, node.at, node.key)
    return arguments(cls, written, [key], name, issues)


def _way_out(key: str, use: str, plugins: tuple[str, ...]) -> str:
    """What to do about a name that is not there: what is near; or a plug-in, which a file alone does not import."""
    if use in plugins:
        return f"the plug-in {use} belongs to the section `{plugin(use).section}`"
    allowed = list(components(key, plugins))
    if not is_module_name(use) or guess(use, allowed):
        return did_you_mean(use, allowed)
    way = f"a plug-in must be named on the command line as well: --plugin {use}"
    return way if "." in use else f"{did_you_mean(use, allowed)}; {way}"


def arguments(
    cls: type[Arguments], node: Node, path: list[str], name: Naming, issues: list[Issue]
) -> Any:  # an instance of cls, or None
    """An instance of `cls` from what was written: strict types, except that an integer serves as a float."""
    try:
        return cls.model_validate_json(json.dumps(node.plain()), strict=True)
    except ValidationError as error:
        issues += islice(_issues(cls, node, path, name, error), MOST)
    except InputError as error:
        issues.append(Issue(node.key, name(path), str(error)))
    return None


def unknown_keys(node: Node, allowed: Sequence[str], name: Naming) -> list[Issue]:
    """An issue for every key that is not allowed."""
    wrong = islice(((key, value) for key, value in node.value.items() if key not in allowed), MOST)
    return [Issue(value.key, name([key]), "unknown key", did_you_mean(key, allowed)) for key, value in wrong]


def _issues(cls: type[Arguments], node: Node, path: list[str], name: Naming, error: ValidationError) -> Iterable[Issue]:
    """One issue for each value: the branches of a union complain together, and most deeply where they can."""
    found = {}
    for detail in error.errors(include_url=False, include_input=False):
        steps, value = _follow(node, detail["loc"])
        if detail["type"] == "missing":
            steps.append(detail["loc"][-1])
        found.setdefault(tuple(steps), (detail, value))
    wrong_inside = {steps[:k] for steps in found for k in range(1, len(steps))}
    for steps, (detail, value) in found.items():
        if steps not in wrong_inside:
            yield _issue(schema_of(cls), detail, list(steps), value, name([*path, *steps]))


def _follow(node: Node, location: Sequence[str | int]) -> tuple[list[str | int], Node]:
    """The deepest value on pydantic's path, which also names the branches of unions."""
    steps = []
    for part in location:
        inner = node.get(part)
        if inner is not None:
            node = inner
            steps.append(part)
    return steps, node


def _issue(schema: dict, detail: Any, steps: list[str | int], value: Node, path: str) -> Issue:
    kind, defs = detail["type"], schema.get("$defs", {})
    if kind == "extra_forbidden":
        allowed = _keys(at(schema, steps[:-1], defs), defs)
        return Issue(value.key, path, "unknown key", did_you_mean(str(steps[-1]), allowed))
    if kind in ("value_error", "assertion_error"):
        return Issue(value.key, path, str(detail["ctx"]["error"]))
    wanted = at(schema, steps, defs)
    if wanted is None:
        return Issue(value.at, path, f"{detail['msg']}; got {shown(value.plain())}")
    words = phrase(wanted, defs)
    if kind == "missing":
        about = f" ({wanted['description']})" if "description" in wanted else ""
        return Issue(value.key, path, f"missing: {words}{about}")
    word = "" if isinstance(value.value, (dict, list)) else str(value.value)
    near = guess(word, map(str, wanted.get("enum", ())))
    hint = f"did you mean `{near}`?" if near else ""
    return Issue(value.at, path, f"must be {words}, got {shown(value.plain())}", hint)


def _keys(schema: dict | None, defs: dict) -> list[str]:
    branches = (schema or {}).get("anyOf", [schema or {}])
    return sorted({key for branch in branches for key in (at(branch, (), defs) or {}).get("properties", {})})
