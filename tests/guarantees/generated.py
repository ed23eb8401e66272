"""Configurations drawn from a seed: a method, a model, a network, faults, sizes; and all the bytes that they give."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from swarmsim.assemble import assemble, federation_of
from swarmsim.experiment import read
from swarmsim.experiment.study import Experiment
from swarmsim.method import MethodRun
from swarmsim.types import Federation, InputError
from tests.guarantees.runs import ALL, experiment
from tests.methods import names_on_disk

__all__ = ["configuration", "written"]

TOPOLOGIES: list[dict[str, Any]] = [
    {"use": "ring"}, {"use": "path"}, {"use": "complete"}, {"use": "star"}, {"use": "random_tree"},
    {"use": "exponential"}, {"use": "one_peer_exponential"}, {"use": "random_matching"}, {"use": "base_k", "k": 1},
    {"use": "erdos_renyi", "p": 0.6}, {"use": "directed_random", "degree": 2},
]  # fmt: skip
FAULTS: dict[str, Any] = {
    "participation": 0.7,
    "churn": {"use": "markov", "mean_up": 2, "mean_down": 1},
    "down": [{"institution": "institution-1", "from": 2, "until": 3}],
    "link_loss": {"use": "independent", "probability": 0.3},
    "partitions": [{"groups": [["institution-0", "institution-2"]], "from": 2, "until": 4}],
    "delay": {"use": "uniform", "most": 1},
}
PARTITIONS = [{"use": "iid"}, {"use": "quantity", "beta": 0.7}, {"use": "dirichlet", "alpha": 2.0}]
MERGES = [{"use": "mean"}, {"use": "median"}, {"use": "trimmed_mean", "b": 1}]
TRIES = 40


def configuration(seed: int, folder: Path) -> tuple[Experiment, Federation]:
    """The first configuration of this seed that is allowed."""
    for attempt in range(TRIES):
        sections = _sections(random.Random(f"{seed}/{attempt}"))
        try:
            found = read(experiment(folder, *sections.pop("method"), **sections)).methods[0]
            federation = federation_of(found)
            assemble(found, federation, 1)
        except InputError:
            continue
        except ValueError as error:
            if "more than 1 value per channel" not in str(error):  # BatchNorm of a batch of one
                raise
            continue
        return found, federation
    raise AssertionError(f"seed {seed}: none of {TRIES} configurations is allowed")


def written(found: Experiment, federation: Federation, runtime: Any, hosts: int, folder: Path) -> dict[str, bytes]:
    """What a run writes that must not depend on who computes it, file by file."""
    job, table = assemble(found, federation, hosts)
    MethodRun(found, job, table, federation, folder, first=True).carry_out(runtime, resumed=False)
    kept = [path for name in ("*.csv", "model/*") for path in folder.glob(name)]
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(kept) if path.stem != "timing"}


def _sections(draw: random.Random) -> dict[str, Any]:
    name, arguments = draw.choice(ALL)
    kind = names_on_disk()[name]
    vertical, seed = name == "split/vertical", draw.randrange(1000)
    sections: dict[str, Any] = {
        "method": (name, arguments), "seed": seed, "rounds": draw.randint(2, 4),
        "runtime": {"use": "ray", "dtype": draw.choice(["float32", "float64"])},
        "evaluate": {"every": draw.randint(1, 2), "recalibrate": draw.random() < 0.3},
        "checkpoint": {"every": draw.randint(1, 3), "keep": 2},
    }  # fmt: skip
    if not vertical:
        model = {"hidden": draw.choice([[], [8], [7, 5], [6, 6, 6]]), "batch_norm": draw.random() < 0.5}
        sections["model"] = {"use": "mlp", **model, "dropout": draw.choice([0.0, 0.3])}
        sections["partition"] = draw.choice(PARTITIONS)
        sections["institutions"] = draw.choice([1, 2, 3, 4, 5, 8])
    if getattr(kind, "mixes", False) and draw.random() < 0.8 and name != "split/regional":
        sections["topology"] = draw.choice(TOPOLOGIES)
    if getattr(kind, "robust", False) and draw.random() < 0.4:
        sections["merge"] = draw.choice(MERGES)
    obeyed = [key for key in FAULTS if key in kind.obeys]
    if obeyed and draw.random() < 0.7:
        sections["faults"] = {key: FAULTS[key] for key in draw.sample(obeyed, min(len(obeyed), draw.randint(1, 2)))}
    return sections
