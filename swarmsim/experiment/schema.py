"""The JSON Schema of an experiment file, for completion and checks in an editor.

It knows names, types and bounds. What may be inherited (through `extends`, or by a method from the top level) is not
required, so every legal file is valid against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from swarmsim.experiment.components import FOLDERS, components
from swarmsim.experiment.listing import summary
from swarmsim.experiment.resolving import ENTRY_KEYS, TOP_KEYS
from swarmsim.experiment.settings import SETTINGS, General, Label
from swarmsim.types import Arguments

__all__ = ["json_schema"]

REMOVABLE = ("partition", "topology", "merge", "algorithm")
OPTIONAL = ("faults", "pace", "network", "checkpoint")  # the same among the sections without a folder


def json_schema(plugins: Sequence[str] = ()) -> dict[str, Any]:
    """A JSON Schema (2020-12) that describes experiment files, with what plug-ins add."""
    defs: dict[str, Any] = {"label": _definition("label", Label), "general": _definition("general", General)}
    keys = {key: {"$ref": f"#/$defs/general/properties/{key}"} for key in General.model_fields}
    keys |= {"label": {"$ref": "#/$defs/label/properties/label"}, "extends": {"type": "string"}}
    keys["extends"]["description"] = "another experiment file, relative to this one, that this one changes"
    for key in FOLDERS:
        uses = components(key, tuple(plugins))
        defs |= {_name(key, use): _definition(_name(key, use), cls, use) for use, cls in uses.items()}
        keys[key] = _section(key, uses)
    for key, cls in SETTINGS.items():
        defs[key] = _definition(key, cls)
        keys[key] = {"$ref": f"#/$defs/{key}"}
    keys |= {key: {"anyOf": [keys[key], {"type": "null"}]} for key in OPTIONAL}
    keys["methods"] = _methods({key: keys[key] for key in ENTRY_KEYS})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "swarmsim experiment",
        "type": "object",
        "properties": {key: keys[key] for key in TOP_KEYS},
        "additionalProperties": False,
        "if": {"not": {"required": ["extends"]}},
        "then": _complete(),
        "$defs": defs,
    }


def _complete() -> dict[str, Any]:
    """What a file must hold that inherits from no other."""
    alone = {"required": ["rounds", "model", "task", "algorithm"]}
    return {"required": ["name", "data"], "anyOf": [alone, {"required": ["methods"]}]}


def _methods(keys: dict[str, Any]) -> dict[str, Any]:
    entry = {"type": "object", "properties": keys, "additionalProperties": False}
    listed = {"type": "array", "minItems": 1, "items": entry}
    return {"description": "compared on the same data, partition and seed", "anyOf": [listed, {"type": "null"}]}


def _name(key: str, use: str) -> str:
    return f"{key}.{use.replace('/', '-')}"


def _definition(name: str, cls: type[Arguments], use: str | None = None) -> dict[str, Any]:
    schema = cls.model_json_schema(ref_template=f"#/$defs/{name}/$defs/{{model}}")
    schema.pop("required", None)
    schema["description"] = summary(cls)
    if use:
        schema["properties"] = {"use": {"const": use}, **schema.get("properties", {})}
    return schema


def _section(key: str, uses: dict[str, type[Arguments]]) -> dict[str, Any]:
    """The arguments that `use` names; without a `use` (it is inherited) those of any component."""
    names = sorted({name for cls in uses.values() for name in cls.model_fields})
    cases = [
        {
            "if": {"type": "object", "properties": {"use": {"const": use}}, "required": ["use"]},
            "then": {"$ref": f"#/$defs/{_name(key, use)}"},
        }
        for use in uses
    ]
    partial = {"if": {"not": {"required": ["use"]}}, "then": {"propertyNames": {"enum": names}}}
    kind = ["object", "null"] if key in REMOVABLE else "object"
    return {"type": kind, "properties": {"use": {"enum": list(uses)}}, "allOf": [*cases, partial]}
