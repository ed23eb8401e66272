"""Documents shaped like experiments, drawn from the real JSON Schema, with values that fit and some that do not."""

from __future__ import annotations

import json
from functools import cache
from random import Random
from typing import Any

import yaml

from swarmsim.experiment import json_schema
from tests.guarantees.input_case import EXPERIMENTS, MAIN, PLUGINS, Case

__all__ = ["WRONG", "dumped", "runnable", "shape"]

WRONG = (
    None, True, 0, -1, 1, 2.5, 1e300, 10**30, -0.0, float("nan"), float("inf"), "", "x", "0.1", "../../x", "a\nb",
    "é" * 50, [], [1], ["x"], [[1]], {}, {"a": 1}, {"use": "x"}, [{}], {"use": []},
)  # fmt: skip
SECTIONS = ("data", "partition", "model", "task", "topology", "merge", "algorithm")


@cache
def _schema() -> dict[str, Any]:
    return json_schema(PLUGINS)


def shape(random: Random) -> Case:
    """One experiment, or several methods; each value wrong with a probability that the document draws first."""
    spoiled = random.choice((0.0, 0.0, 0.02, 0.1, 0.5))
    top = {"name": "generated", "seed": random.randrange(5), "rounds": 3, **_sections(random)}
    if random.random() < 0.3:
        top["methods"] = [_entry(random) for _ in range(random.randint(spoiled == 0, 4))]
    if random.random() < 0.2:
        top["institutions"] = random.randrange(40)
    top = {key: value for key, value in top.items() if random.random() > spoiled / 3}
    return Case({MAIN: _dump(random, _spoil(random, top, spoiled))})


CLINICS = str(EXPERIMENTS / "data" / "clinics.csv")
DATA = (  # small, and everything that decides how an experiment is taken: tables, images, masks, columns, tasks
    {"use": "phantom", "examples": 12, "size": 8, "scanners": 3},
    {"use": "phantom", "examples": 12, "size": 16, "scanners": 3, "target": "mask"},
    {"use": "phantom", "examples": 12, "size": 8, "scanners": 2, "history": 3},
    {"use": "phantom", "examples": 12, "size": 8, "scanners": 2, "external": 8, "classes": 3},
    {"use": "quadratic", "targets": [0, 1, 2, 3]}, {"use": "quadratic", "targets": [[0, 1], [1, 2]]},
    {"use": "csv", "path": CLINICS, "target": "ill", "site": "clinic", "drop": ["patient"], "categorical": ["smoker"]},
)  # fmt: skip


def runnable(random: Random) -> Case:
    """A small experiment whose every section is legal by itself; whether they fit together is left to chance."""
    top = {"name": "generated", "rounds": 3, "seed": random.randrange(5), **_sections(random, 0.15, 0.1)}
    top |= {"data": random.choice(DATA), "runtime": {"use": "inline", "device": "cpu"}}
    if random.random() < 0.7:
        own = {"csv": {"use": "natural", "column": "clinic"}, "quadratic": None, "phantom": None}
        top["partition"] = own[top["data"]["use"]]
    elif random.random() < 0.5:
        top |= {"institutions": random.choice((1, 2, 3, 4, 6)), "partition": {"use": "iid"}}
    if top["data"]["use"] == "quadratic" and random.random() < 0.9:
        top |= {"model": {"use": "point"}, "task": {"use": "quadratic"}}
    elif random.random() < 0.8:
        top["model"] = random.choice(
            ({"use": "logistic"}, {"use": "mlp", "hidden": [4, 3]}, {"use": "cnn"}, top["model"])
        )
        top["task"] = {"use": "classification"}
        if top["data"].get("target") == "mask":
            top |= {"model": {"use": "unet", "channels": 4}, "task": {"use": "segmentation"}}
    if random.random() < 0.7:
        top |= {"topology": random.choice(({"use": "ring"}, {"use": "complete"}, top["topology"]))}
    return Case({MAIN: json.dumps(top).encode()})


def _sections(random: Random, merge: float = 0.5, given: float = 0.3) -> dict[str, Any]:
    """All sections; `merge` says how often one that may be absent is there, `given` how often an argument is."""
    often = {"partition": merge, "merge": merge}
    found = {key: _component(random, key, given) for key in SECTIONS if random.random() < often.get(key, 1)}
    for key in ("faults", "pace", "evaluate", "checkpoint", "runtime"):
        if random.random() < 0.6 * merge:
            found[key] = _value(random, {"$ref": f"#/$defs/{key}"}, 0)
    return found


def _entry(random: Random) -> dict[str, Any]:
    keys = random.sample(("label", "rounds", "model", "task", "topology", "merge", "algorithm"), random.randint(0, 3))
    plain = {"label": f"m{random.randrange(99)}", "rounds": 2}
    return {key: plain.get(key) or _component(random, key) for key in keys}


def _component(random: Random, key: str, given: float = 0.3) -> dict[str, Any]:
    uses = _schema()["properties"][key]["properties"]["use"]["enum"]
    use = random.choice(uses)
    schema = _resolved({"$ref": f"#/$defs/{key}.{use.replace('/', '-')}"})
    return {"use": use, **_object(random, schema, 0, given)}


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        place: Any = _schema()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            place = place[part]
        schema = place
    return schema


def _value(random: Random, schema: dict[str, Any], depth: int) -> Any:
    """Something that the schema allows, as far as types and bounds go."""
    schema = _resolved(schema)
    if "anyOf" in schema:
        return _value(random, random.choice(schema["anyOf"]), depth)
    if "enum" in schema or "const" in schema:
        return random.choice(schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "object":
        return _object(random, schema, depth)
    if kind == "array":
        items = schema.get("prefixItems") or [schema.get("items", {})] * random.choice((0, 1, 2, 3, 8))
        return [_value(random, item, depth + 1) for item in items] if depth < 6 else []
    scalars = {"integer": _integer, "number": _number, "string": _text, "boolean": _flag}
    return scalars[kind](random, schema) if kind in scalars else None


def _object(random: Random, schema: dict[str, Any], depth: int, often: float = 0.3) -> dict[str, Any]:
    given = {}
    for name, inner in schema.get("properties", {}).items():
        optional = "default" in _resolved(inner) or "default" in inner
        if "const" not in inner and random.random() < (often if optional else 0.98):
            given[name] = _value(random, inner, depth + 1)
    if isinstance(schema.get("additionalProperties"), dict):
        names = random.sample(("north", "south", "a", "b/c", "institution-0", ""), random.randint(0, 3))
        given |= {name: _value(random, schema["additionalProperties"], depth + 1) for name in names}
    return given


def _integer(random: Random, schema: dict[str, Any]) -> int:
    low = schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
    return min(int(low) + random.choice((0, 1, 1, 2, 3, 10)), schema.get("maximum", 10**9))


def _number(random: Random, schema: dict[str, Any]) -> float:
    low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
    high = schema.get("maximum", schema.get("exclusiveMaximum", low + 2))
    inside = [end for end, name in ((low, "minimum"), (high, "maximum")) if name in schema]
    return random.choice((*inside, low + (high - low) * random.uniform(0.01, 0.99)))


def _flag(random: Random, _schema: dict[str, Any]) -> bool:
    return random.choice((True, False))


def _text(random: Random, schema: dict[str, Any]) -> str:
    return random.choice((
        "x", "experiments/data/clinics.csv", "topologies/nature_6.yaml", "a b", ".", "..", "/", "/dev/null", "~", "é",
        "no", "1e3", "0", "institution-0", "clinic",
    ))  # fmt: skip


def _spoil(random: Random, value: Any, spoiled: float) -> Any:
    """The same tree, a share of whose values are something else."""
    if random.random() < spoiled / 4:
        return random.choice((*WRONG, -value, value * 1e9) if isinstance(value, (int, float)) else WRONG)
    if isinstance(value, dict):
        return {_key(random, key, spoiled): _spoil(random, inner, spoiled) for key, inner in value.items()}
    return [_spoil(random, inner, spoiled) for inner in value] if isinstance(value, list) else value


def _key(random: Random, key: str, spoiled: float) -> str:
    return random.choice((key[1:], key + "s", key.upper(), "", "<<", "use")) if random.random() < spoiled / 6 else key


def _dump(random: Random, value: Any) -> bytes:
    """As block YAML, as mixed YAML, or as JSON."""
    if random.random() < 0.3:
        return json.dumps(value, ensure_ascii=random.random() < 0.5, indent=random.choice((None, 2))).encode()
    style = random.choice((None, True, False))
    return dumped(value, style)


class _Dumper(yaml.SafeDumper):
    """Writes a value that stands in two places twice, instead of an anchor and an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dumped(value: Any, style: bool | None) -> bytes:
    """A tree as YAML."""
    text = yaml.dump(value, Dumper=_Dumper, default_flow_style=style, allow_unicode=True, sort_keys=False)
    return text.encode("utf-8", "replace")
