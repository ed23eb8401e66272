"""What can be written in each section, read from the code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swarmsim.experiment.components import FOLDERS, components
from swarmsim.experiment.errors import did_you_mean
from swarmsim.experiment.phrases import phrase, schema_of
from swarmsim.experiment.settings import SETTINGS
from swarmsim.types import Arguments, InputError

__all__ = ["listing", "summary"]


def listing(section: str | None = None, plugins: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One entry for everything that can be written after `use:`, and for each section without a folder.

    Keys: section, use (None without a folder), description, arguments: a list of name, type, required, default,
    allowed (the choices, where they are finite) and description; a method also has faults: what it `obeys` of that
    section, key by key, and why it `refuses` the rest.
    """
    known = (*FOLDERS, *SETTINGS)
    if section is not None and section not in known:
        raise InputError(f"no section `{section}`; {did_you_mean(section, known)}")
    return [
        {"section": key, "use": use, "description": summary(cls), "arguments": _arguments(cls), **_faults(cls)}
        for key in known
        if section in (None, key)
        for use, cls in (components(key, tuple(plugins)) if key in FOLDERS else {None: SETTINGS[key]}).items()
    ]


def summary(cls: type[Arguments]) -> str:
    """The first paragraph of a class's docstring, on one line."""
    return " ".join((cls.__doc__ or "").strip().split("\n\n")[0].split())


def _faults(cls: type[Arguments]) -> dict[str, Any]:
    if not hasattr(cls, "under"):
        return {}
    order = [name for name in SETTINGS["faults"].model_fields if name in {*cls.under, *cls.refuses}]
    said = {"obeys": cls.under, "refuses": cls.refuses}
    return {"faults": {what: {name: words[name] for name in order if name in words} for what, words in said.items()}}


def _arguments(cls: type[Arguments]) -> list[dict[str, Any]]:
    schema = schema_of(cls)
    required, defs = schema.get("required", []), schema.get("$defs", {})
    return [
        {
            "name": name,
            "type": phrase(field, defs, brief=True),
            "required": name in required,
            "default": field.get("default"),
            "allowed": field.get("enum"),
            "description": field.get("description", ""),
        }
        for name, field in schema.get("properties", {}).items()
    ]
