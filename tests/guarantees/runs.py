"""Tiny experiments of every method as files, which the command line runs in a few tenths of a second."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tests.methods import MODEL, TRAINING, VARIANTS, names_on_disk

__all__ = ["ALL", "FEW", "experiment", "study"]

ALL = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]
FEW = [("swarm/dpsgd", VARIANTS["swarm/dpsgd"][2]), ("split/vanilla", {"cut": 1}), ("swarm/leader_merge", {})]
"""Three that differ most in what they keep: a mixed optimiser state, two halves, a protocol."""
COLUMNS = [f"c{k}" for k in range(6)]
BLOCKS = {f"institution-{i}": COLUMNS[2 * i : 2 * i + 2] for i in range(3)}


def experiment(folder: Path, name: str, arguments: dict[str, Any], **sections: Any) -> Path:
    """The file of one method: three institutions, four rounds, a checkpoint every two, BatchNorm and dropout."""
    whole = _shared(folder, name == "split/vertical") | {"algorithm": _algorithm(name, arguments)} | _topology(name)
    return _wrote(folder, whole | sections)


def study(folder: Path, *methods: tuple[str, dict[str, Any]], **sections: Any) -> Path:
    """The file of several methods on the same institutions, labelled m0, m1, ..."""
    entries = [
        {"label": f"m{k}", "algorithm": _algorithm(name, arguments), **_topology(name)}
        for k, (name, arguments) in enumerate(methods)
    ]
    return _wrote(folder, _shared(folder) | {"methods": entries} | sections)


def _shared(folder: Path, vertical: bool = False) -> dict[str, Any]:
    model = {"use": "mlp", **MODEL, "dropout": 0.2}
    partition: dict[str, Any] = {"use": "iid"}
    if vertical:
        model = {"use": "multimodal", "width": 3, "hidden": [4], "head": [5], "dropout": 0.2}
        partition = {"use": "vertical", "blocks": BLOCKS, "labels": "institution-2"}
    institutions = {} if vertical else {"institutions": 3}
    return {
        "name": "crash", "seed": 1, "rounds": 4, **institutions,
        "data": {"use": "npz", "path": str(_examples(folder)), "feature_names": "names"}, "partition": partition,
        "model": model, "task": {"use": "classification"}, "checkpoint": {"every": 2, "keep": 1},
        "evaluate": {"every": 2}, "runtime": {"use": "inline", "dtype": "float64"},
    }  # fmt: skip


def _algorithm(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"use": name, **TRAINING, **arguments}


def _topology(name: str) -> dict[str, Any]:
    """A path, which every method can use that needs a topology; two regions are a complete graph."""
    kind = names_on_disk()[name]
    if not getattr(kind, "mixes", False) or name == "swarm/epidemic":
        return {}
    return {"topology": {"use": "complete" if name in ("split/regional", "swarm/d_cliques") else "path"}}


def _examples(folder: Path) -> Path:
    """Three Gaussian classes, 66 examples with six features."""
    path, rng = folder / "examples.npz", np.random.default_rng(0)
    y = rng.integers(3, size=66)
    x = (rng.normal(size=(3, 6)) * 2)[y] + rng.normal(size=(66, 6))
    np.savez(path, x=x.astype(np.float32), y=y, names=np.array(COLUMNS))
    return path


def _wrote(folder: Path, whole: dict[str, Any]) -> Path:
    path = folder / "file.yaml"
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path
