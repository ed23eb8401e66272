"""Types, bounds and choices in words, read from a JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from swarmsim.types import Arguments

__all__ = ["at", "phrase", "schema_of"]

LONG = {"integer": "an integer", "number": "a number", "string": "a text", "boolean": "true or false", "null": "null"}
BRIEF = {"integer": "int", "number": "float", "string": "text", "boolean": "true | false", "null": "null"}
BOUNDS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}

Schema = dict[str, Any]


@cache
def schema_of(cls: type[Arguments]) -> Schema:
    """The JSON Schema of a class of arguments."""
    return cls.model_json_schema()


def at(schema: Schema, path: Sequence[str | int], defs: Schema) -> Schema | None:
    """The part of a schema that describes the value at a path."""
    schema = _resolved(schema, defs)
    if not path:
        return schema
    for branch in schema.get("anyOf", [schema]):
        branch = _resolved(branch, defs)
        inner = _item(branch, path[0]) if isinstance(path[0], int) else _entry(branch, path[0])
        if isinstance(inner, dict) and (found := at(inner, path[1:], defs)) is not None:
            return found
    return None


def phrase(schema: Schema, defs: Schema, brief: bool = False) -> str:
    """`a number > 0`, `an integer >= 1 or null`, `one of adamw, sgd`; brief: `float > 0`, `int >= 1 | null`."""
    schema = _resolved(schema, defs)
    if "anyOf" in schema:
        parts = [phrase(branch, defs, brief) for branch in schema["anyOf"]]
        return (" | " if brief else " or ").join(dict.fromkeys(parts))
    if "enum" in schema or "const" in schema:
        names = [str(value) for value in schema.get("enum", [schema.get("const")])]
        return " | ".join(names) if brief else ("one of " if len(names) > 1 else "") + ", ".join(names)
    kind = schema.get("type")
    if kind == "array":
        return ("" if brief else "a ") + _list(schema, defs)
    if kind == "object":
        return ("" if brief else "a ") + _section(schema, defs)
    return (BRIEF if brief else LONG).get(kind, "anything") + _bounds(schema)


def _resolved(schema: Schema, defs: Schema) -> Schema:
    if "$ref" not in schema:
        return schema
    return {**defs[schema["$ref"].rpartition("/")[2]], **{key: schema[key] for key in schema if key != "$ref"}}


def _item(schema: Schema, index: int) -> Any:
    fixed = schema.get("prefixItems", [])
    return fixed[index] if index < len(fixed) else schema.get("items")


def _entry(schema: Schema, key: str) -> Any:
    return schema.get("properties", {}).get(key, schema.get("additionalProperties"))


def _bounds(schema: Schema) -> str:
    limits = [f"{sign} {schema[name]}" for name, sign in BOUNDS.items() if name in schema]
    if "multipleOf" in schema:
        limits.append(f"a multiple of {schema['multipleOf']}")
    if schema.get("minLength"):
        limits.append("not empty" if schema["minLength"] == 1 else f"of at least {schema['minLength']} characters")
    if "maxLength" in schema:
        limits.append(f"of at most {schema['maxLength']} characters")
    if "pattern" in schema:
        limits.append(f"like {schema['pattern']}")
    return " " + " and ".join(limits) if limits else ""


def _list(schema: Schema, defs: Schema) -> str:
    fewest, most = schema.get("minItems"), schema.get("maxItems")
    if "prefixItems" in schema:
        return f"list [{', '.join(phrase(item, defs, True) for item in schema['prefixItems'])}]"
    size = f" of {fewest}" if fewest == most and fewest is not None else ""
    ends = [f"at least {fewest}"] * (not size and fewest is not None) + [f"at most {most}"] * (
        not size and most is not None
    )
    inner = phrase(schema.get("items", {}), defs, True)
    return f"list{size} of {f'({inner})' if ' | ' in inner else inner}" + (f", {', '.join(ends)}" if ends else "")


def _section(schema: Schema, defs: Schema) -> str:
    if "properties" in schema:
        return f"section {{{', '.join(schema['properties'])}}}"
    values = schema.get("additionalProperties")
    return f"section of names to {phrase(values, defs, True)}" if isinstance(values, dict) else "section"
