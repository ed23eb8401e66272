"""Every method there is, found on disk, with arguments under which tests run it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import swarmsim.algorithms
from swarmsim.local.training import Training
from tests.jobs import blobs, job, mixing

__all__ = ["DIRECTED", "MODEL", "RAY_HOSTS", "TRAINING", "VARIANTS", "method", "names_on_disk", "small_job"]

RAY_HOSTS = 4
TRAINING = {"lr": 0.05, "batch": 16, "momentum": 0.9, "weight_decay": 1e-3}
DIRECTED = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]
AT_HOME = {"labels": "institution"}
MODEL = {"hidden": (8, 5), "batch_norm": True}

# Each method's arguments beside TRAINING; where a choice changes the messages, a method stands here more than once.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "baseline/local": [{}],
    "baseline/pooled": [{}],
    "baseline/fedavg": [{}, {"optimizer_state": "keep", "batch_norm": "local"}],
    "baseline/cyclic": [{"optimizer_state": "handover"}, {"optimizer_state": "keep"}],
    "swarm/dpsgd": [{"local_steps": 2}, {"order": "combine_then_adapt", "batch_norm": "local"}],
    "swarm/leader_merge": [{"weights": "equal"}],
    "split/horizontal": [
        {"cut": 1, "serving": "concatenated", "institution_weights": "averaged_each_batch"},
        {"cut": (1, 2), "serving": "concatenated", "institution_weights": "averaged_each_epoch", **AT_HOME,
         "cut_gradient": "own"},
        {"cut": (1, 2), "serving": "interleaved", "institution_weights": "private", **AT_HOME},
        {"cut": (1, 2), "copies": "per_institution", "institution_weights": "averaged_each_epoch", **AT_HOME},
    ],
    "split/vanilla": [{"cut": 1}, {"cut": 2, "serving": "random", "optimizer_state": "reset", "batch_norm": "local"}],
    "split/u_shaped": [{"cut": (1, 2), "serving": "interleaved"}],
    "split/splitfed_v1": [{"cut": 1}],
    "split/splitfed_v2": [{"cut": 2}],
}  # fmt: skip


def names_on_disk() -> dict[str, type[Training]]:
    """`room/file` -> the one class that a method's file exports."""
    found = {}
    for module in pkgutil.walk_packages(swarmsim.algorithms.__path__, "swarmsim.algorithms."):
        room, _, file = module.name.removeprefix("swarmsim.algorithms.").partition(".")
        if module.ispkg or file.startswith("_"):
            continue
        loaded = importlib.import_module(module.name)
        classes = [getattr(loaded, name) for name in loaded.__all__]
        found[f"{room}/{file}"] = next(kind for kind in classes if inspect.isclass(kind) and issubclass(kind, Training))
    return found


def method(name: str, **arguments: Any) -> Training:
    """A method with TRAINING and these arguments."""
    return names_on_disk()[name](**{**TRAINING, **arguments})


def small_job(name: str, arguments: dict[str, Any], rounds: int = 3, hosts: int = 1, **options: Any):
    """Three institutions of ragged sizes on a directed ring, so that a transposed W shows."""
    from swarmsim.models.mlp import Mlp

    model = Mlp(**{**MODEL, **options.pop("model", {})})
    options = {"shards": blobs(), "mixing": mixing(DIRECTED)} | options
    return job(method(name, **arguments), model=model, rounds=rounds, hosts=hosts, **options)
