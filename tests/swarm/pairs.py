"""Swarm methods and topologies as an experiment file has them: eight clinics of unequal sizes, two classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from swarmsim.assemble import assemble, federation_of
from swarmsim.experiment import listing, read
from swarmsim.types import Federation
from tests.methods import VARIANTS, names_on_disk

__all__ = ["CLINICS", "METHODS", "MIXING", "N", "TOPOLOGIES", "assembled", "table", "wrote"]

CLINICS = {"a": 12, "b": 20, "c": 9, "d": 30, "e": 16, "f": 11, "g": 25, "h": 14}
N = len(CLINICS)

METHODS: dict[str, dict[str, Any]] = {
    name: {**VARIANTS[name][0], "personal": ()} for name in names_on_disk() if name.startswith("swarm/")
} | {"swarm/d_cliques": {"cliques": [[0, 1, 2, 3], [4, 5, 6, 7]]}}
MIXING = [name for name in METHODS if getattr(names_on_disk()[name], "mixes", False)]

TOPOLOGIES: dict[str, dict[str, Any]] = {entry["use"]: {} for entry in listing("topology")} | {
    "base_k": {"k": 2}, "d_cliques": {"size": 4},
}  # fmt: skip


def table(folder: Path) -> Path:
    """A table of patients with three features, and a file with a path through the clinics."""
    rng, path = np.random.default_rng(0), folder / "patients.csv"
    lines = ["clinic,x,y,z,ill"]
    for clinic, size in CLINICS.items():
        for k in range(size):
            lines.append(",".join([clinic, *(f"{v + k % 2:.4f}" for v in rng.normal(size=3)), ["no", "yes"][k % 2]]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    lines = [f"{a} {b}" for a, b in zip("abcdefg", "bcdefgh", strict=True)]
    (folder / "path.edgelist").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def wrote(folder: Path, name: str, topology: dict[str, Any] | None = None, **sections: Any) -> Path:
    """The experiment of a method in a file; JSON is YAML."""
    if topology and topology["use"] == "file":
        topology = {**topology, "path": str(folder / "path.edgelist")}
    whole = {
        "name": "pairs", "rounds": 3,
        "data": {"use": "csv", "path": str(folder / "patients.csv"), "target": "ill", "site": "clinic"},
        "partition": {"use": "natural", "column": "clinic", "validation": 0.0}, "model": {"use": "logistic"},
        "task": {"use": "classification"}, "runtime": {"use": "inline", "dtype": "float64"},
        "algorithm": {"use": name, "lr": 0.1, "batch": 8, **METHODS.get(name, {})}, "topology": topology,
    }  # fmt: skip
    path = folder / "experiment.yaml"
    path.write_text(json.dumps(whole | sections), encoding="utf-8")
    return path


def assembled(path: Path, federation: Federation | None = None):
    """(job, timetable) of the one method of a file."""
    experiment = read(path).methods[0]
    return assemble(experiment, federation or federation_of(experiment), 1)
