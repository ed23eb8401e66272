"""Every method there is, found on disk, with arguments under which tests run it."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import swarmsim.algorithms
from swarmsim.local.training import Training
from swarmsim.models.mlp import Mlp
from swarmsim.models.multimodal import Multimodal
from tests.jobs import blobs, columns, job, mixing

__all__ = ["DIRECTED", "MODEL", "RAY_HOSTS", "TRAINING", "VARIANTS", "method", "names_on_disk", "small_job"]

RAY_HOSTS = 4
TRAINING = {"lr": 0.05, "batch": 16, "momentum": 0.9, "weight_decay": 1e-3}
DIRECTED = [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5], [0.5, 0.0, 0.5]]
AT_HOME = {"labels": "institution"}
BOTTOM = {"owner": "institution", "until": 1}
MODEL = {"hidden": (8, 5), "batch_norm": True}
COMPRESSORS = [
    ("top_k", {"fraction": 0.3}), ("random_k", {"fraction": 0.3}), ("sign", {}), ("quantised", {"bits": 4}),
]  # fmt: skip
PATH = [[0.6, 0.4, 0.0], [0.4, 0.2, 0.4], [0.0, 0.4, 0.6]]
GRAPHS = dict.fromkeys(  # methods that DIRECTED does not serve
    ("swarm/pairwise", "swarm/relay_sum", "swarm/d2", "swarm/exact_diffusion", "swarm/extra"), PATH
)
ONE_GRADIENT = {"lr": 0.3, "momentum": 0.0}  # a round is one step

# Each method's arguments beside TRAINING; where a choice changes the messages, a method stands here more than once.
VARIANTS: dict[str, list[dict[str, Any]]] = {
    "baseline/local": [{}],
    "baseline/pooled": [{}],
    "baseline/fedavg": [{}, {"optimizer_state": "keep", "batch_norm": "local"}],
    "baseline/cyclic": [{"optimizer_state": "handover"}, {"optimizer_state": "keep"}],
    "swarm/dpsgd": [
        {"local_steps": 2},
        {"order": "combine_then_adapt", "batch_norm": "local"},
        {"gradient_weights": "samples", "optimizer_state": "mixed", "momentum": 0.5},
    ],
    "swarm/quasi_global": [{**ONE_GRADIENT, "momentum": 0.7, "gradient_weights": "samples"}],
    "swarm/gradient_tracking": [ONE_GRADIENT, {**ONE_GRADIENT, "order": "combine_then_adapt", "batch_norm": "local"}],
    "swarm/exact_diffusion": [ONE_GRADIENT, {**ONE_GRADIENT, "lazy": False, "personal": ("output",)}],
    "swarm/d2": [ONE_GRADIENT, {**ONE_GRADIENT, "lazy": True, "gradient_weights": "samples"}],
    "swarm/extra": [ONE_GRADIENT],
    "swarm/async_dpsgd": [{"max_delay": 2}, {"max_delay": 0, "batch_norm": "local"}],
    "swarm/async_gossip": [{}, {"max_delay": 0, "personal": ("output",)}],
    "swarm/leader_merge": [{"weights": "equal"}],
    "swarm/push_sum": [{"local_steps": 2}],
    "swarm/pairwise": [{}, {"pairs": "one", "batch_norm": "local"}],
    "swarm/epidemic": [{"fanout": 1}, {"fanout": 1, "choice": "oracle", "local_steps": 2}],
    "swarm/relay_sum": [{}, {"batch_norm": "local", "local_steps": 2}],
    "swarm/late_merge": [{"from_round": 1}, {"final": True}, {"from_round": 1, "final": True}],
    "swarm/choco": [{"gamma": 0.5, "compressor": {"use": use, **given}} for use, given in COMPRESSORS],
    "swarm/d_cliques": [{"cliques": ((0, 2), (1,))}],
    "split/horizontal": [
        {"cut": 1, "serving": "concatenated", "institution_weights": "averaged_each_batch"},
        {"cut": (1, 2), "serving": "concatenated", "institution_weights": "averaged_each_epoch", **AT_HOME,
         "cut_gradient": "own"},
        {"cut": (1, 2), "serving": "interleaved", "institution_weights": "private", **AT_HOME},
        {"cut": (1, 2), "copies": "per_institution", "institution_weights": "averaged_each_epoch", **AT_HOME},
    ],
    "split/vanilla": [
        {"cut": 1},
        {"cut": 2, "serving": "random", "optimizer_state": "reset", "batch_norm": "local"},
        {"cut": 1, "institution_weights": "handed_over_via_server", "batch_norm": "average", "clip": 0.5},
        {"cut": 1, "in_flight": 3, "clip": 0.5, "clip_norm": "part"},
    ],
    "split/u_shaped": [{"cut": (1, 2), "serving": "interleaved"}, {"cut": (1, 2), "clip": 0.5, "in_flight": 2}],
    "split/splitfed_v1": [{"cut": 1}, {"cut": 1, "optimizer_state": "average", "batch_norm": "recalibrate"}],
    "split/splitfed_v2": [{"cut": 2}],
    "split/splitfed_v3": [{"cut": 1}],
    "split/parallel": [{"cut": 1, "cut_gradient": "own"}, {"cut": 2, "institution_weights": "private", "in_flight": 2}],
    "split/private": [{"cut": 1, "serving": "interleaved", "in_flight": 2}],
    "split/splitavg": [{"cut": 1}],
    "split/sglr": [{"cut": 1, "averaged_fraction": 0.7, "server_rate": 2.0}],
    "split/multi_hop": [
        {"stages": (BOTTOM, {"owner": "server", "until": 2}, {"owner": "server-b"}), "clip": 0.5},
        {"stages": (BOTTOM, {"owner": "institution-1", "until": 2}, {"owner": "server"})},
        {"stages": (BOTTOM, {"owner": "server", "until": 2}, {"owner": "institution-0"}), "serving": "reverse"},
    ],
    "split/multi_task": [{"cut": (1, 2)}, {"cut": (1, 2), "institution_weights": "handed_over", "serving": "random"}],
    "split/regional": [
        {"cut": 1, "regions": 2},
        {"cut": (1, 2), "regions": 2, "serving": "concatenated", "institution_weights": "private",
         "average_unit": "step"},
        {"cut": 1, "regions": (("institution-2", "institution-0"), ("institution-1",)), "serving": "interleaved",
         "institution_weights": "averaged_each_epoch", "average_every": 2, "optimizer_state": "average"},
    ],
    "split/auxiliary": [{"cut": 1, "server_every": 2}, {"cut": 1, "auxiliary_hidden": 8, "copies": "per_institution"}],
    "split/vertical": [{}, {"labels": "institution", "cut": "output", "clip": 0.5, "in_flight": 2}],
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
    options = {"shards": blobs(), "mixing": mixing(GRAPHS.get(name, DIRECTED))} | options
    given = options.pop("model", {})
    if name == "split/vertical":
        options["shards"], options["blocks"] = columns(options["shards"])
        model = Multimodal(width=3, hidden=(4,), head=(5,), dropout=given.get("dropout", 0.0))
    else:
        model = Mlp(**{**MODEL, **given})
    arguments = _fitting(arguments, [shard.name for shard in options["shards"]])
    if name == "split/regional":
        options["mixing"] = mixing([[0.6, 0.4], [0.5, 0.5]] if arguments["regions"] != 1 else [[1.0]])
    return job(method(name, **arguments), model=model, rounds=rounds, hosts=hosts, **options)


def _fitting(arguments: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """The arguments, for institutions of which there may be fewer than three."""
    found = dict(arguments)
    if "regions" in found and len(names) < 3:
        found["regions"] = len(names)
    if "stages" in found:
        missing = [f"institution-{i}" for i in range(3) if f"institution-{i}" not in names]
        found["stages"] = tuple(
            {**entry, "owner": names[0]} if entry["owner"] in missing else entry for entry in found["stages"]
        )
    return found
