"""A key with one wrong letter gets the right guess: every key of every section, component and nested section."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from swarmsim.experiment import ExperimentError, read
from swarmsim.experiment.components import FOLDERS, components
from swarmsim.experiment.phrases import schema_of
from swarmsim.experiment.resolving import ENTRY_KEYS, TOP_KEYS
from swarmsim.experiment.settings import SETTINGS, Seeds
from swarmsim.types import Arguments

CLASSES = [(key, use, cls) for key in FOLDERS for use, cls in components(key).items()]
CLASSES += [(key, None, cls) for key, cls in SETTINGS.items()]


def misspelt(key: str) -> Iterator[str]:
    """The key without a letter, with one twice, with two in the wrong order, and with a wrong one."""
    middle = len(key) // 2
    yield key[:middle] + key[middle] + key[middle:]
    if len(key) > 1:
        yield key[:middle] + key[middle + 1 :]
    if len(key) > 3:
        yield key[: middle - 1] + key[middle] + key[middle - 1] + key[middle + 1 :]
        yield key[:middle] + "q" + key[middle + 1 :]


def sections(schema: dict[str, Any], defs: dict[str, Any], path: tuple = ()) -> Iterator[tuple[tuple, tuple[str, ...]]]:
    """Every place in a component where a section stands, with the keys that it may have."""
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    branches = [defs[one["$ref"].rpartition("/")[2]] if "$ref" in one else one for one in schema.get("anyOf", [schema])]
    keys = tuple(sorted({name for branch in branches for name in branch.get("properties", {})}))
    if keys:
        yield path, keys
    for branch in branches:
        for name, inner in branch.get("properties", {}).items():
            yield from sections(inner, defs, (*path, name))
        if isinstance(branch.get("items"), dict):
            yield from sections(branch["items"], defs, (*path, 0))
        if isinstance(branch.get("additionalProperties"), dict):
            yield from sections(branch["additionalProperties"], defs, (*path, "somebody"))


def written(path: tuple, key: str) -> Any:
    """A document that holds nothing but a key at a path."""
    value: Any = {key: 1}
    for step in reversed(path):
        value = [value] if step == 0 else {step: value}
    return value


def guesses(tmp_path, document: dict[str, Any], path: tuple) -> list[str]:
    """What is said of the key at a path."""
    (tmp_path / "typo.yaml").write_text(json.dumps(document))
    with pytest.raises(ExperimentError) as caught:
        read(tmp_path / "typo.yaml")
    dotted = ".".join(map(str, path))
    return [issue.hint for issue in caught.value.issues if issue.path == dotted and issue.text == "unknown key"]


def check(tmp_path, place: tuple, keys: tuple[str, ...], around: dict[str, Any]) -> None:
    for key in keys:
        for wrong in misspelt(key):
            if wrong in keys or wrong == "use":
                continue
            document = written(place, wrong)
            if around:
                document[place[0]] = around | document[place[0]]
            (hint,) = guesses(tmp_path, document, (*place, wrong))
            assert hint.startswith(f"did you mean `{key}`? allowed: "), (place, wrong, hint)


@pytest.mark.parametrize(("key", "use", "cls"), CLASSES, ids=[f"{key}-{use or ''}" for key, use, _ in CLASSES])
def test_every_key_of_a_section(tmp_path, key, use, cls: type[Arguments]):
    schema = schema_of(cls)
    for path, keys in sections(schema, schema.get("$defs", {})):
        check(tmp_path, (key, *path), keys, {"use": use} if use else {})


def test_every_key_of_a_file_and_of_a_method(tmp_path):
    check(tmp_path, (), TOP_KEYS, {})
    check(tmp_path, ("methods", 0), ENTRY_KEYS, {})
    check(tmp_path, ("seed",), tuple(Seeds.model_fields), {})


@pytest.mark.parametrize("key", FOLDERS)
def test_every_name_after_use(tmp_path, key):
    for use in components(key):
        for wrong in set(misspelt(use)) - set(components(key)):
            (tmp_path / "typo.yaml").write_text(json.dumps({key: {"use": wrong}}))
            with pytest.raises(ExperimentError, match=f"{key}.use: unknown name") as caught:
                read(tmp_path / "typo.yaml")
            (issue,) = [issue for issue in caught.value.issues if issue.path == f"{key}.use"]
            assert issue.hint.startswith(f"did you mean `{use}`? "), (wrong, issue.hint)
