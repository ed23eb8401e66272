"""A generated schedule of faults for a method on a toy, and what must hold in every round of its run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import networkx
import numpy as np

from swarmsim.models.mlp import Mlp
from swarmsim.models.multimodal import Multimodal
from swarmsim.runtime.world import Job
from swarmsim.types import Mixing
from tests.jobs import blobs, columns, job, mixing, quadratic
from tests.methods import names_on_disk
from tests.schedule.graphs import metropolis, push

__all__ = ["METHODS", "Case", "case"]

KINDS = names_on_disk()
METHODS = [name for name, kind in KINDS.items() if kind.obeys]
AT_HOME = {"labels": "institution"}
ARGUMENTS: dict[str, list[dict[str, Any]]] = {  # beside lr, batch and what depends on n
    "baseline/fedavg": [{}, {"optimizer_state": "keep", "momentum": 0.5}],
    "baseline/cyclic": [{"optimizer_state": "handover", "momentum": 0.5}, {"optimizer_state": "keep"}, {}],
    "swarm/dpsgd": [{}, {"order": "combine_then_adapt"}, {"gradient_weights": "samples"}],
    "swarm/d2": [{"lazy": True}], "swarm/exact_diffusion": [{"lazy": True}],
    "swarm/async_dpsgd": [{"max_delay": 3}], "swarm/async_gossip": [{}, {"max_delay": 0}],
    "swarm/leader_merge": [{}, {"min_peers": 2}, {"min_peers": 2, "wait": 0.5, "late": "keep", "no_quorum": "wait"}],
    "swarm/pairwise": [{}, {"pairs": "one"}], "swarm/epidemic": [{"fanout": 1}, {"fanout": 1, "choice": "oracle"}],
    "swarm/late_merge": [{"from_round": 2}, {"final": True}],
    "swarm/choco": [{"gamma": 0.5, "compressor": {"use": "sign"}}],
    "split/horizontal": [
        {"cut": 1, "serving": "concatenated", "institution_weights": "averaged_each_batch"},
        {"cut": 1, "serving": "interleaved", "institution_weights": "private", "in_flight": 2},
        {"cut": (1, 2), "copies": "per_institution", "institution_weights": "averaged_each_epoch", **AT_HOME},
    ],
    "split/vanilla": [{"cut": 1}, {"cut": 1, "serving": "random"},
                      {"cut": 1, "institution_weights": "handed_over_via_server"}],
    "split/multi_hop": [
        {"stages": ({"owner": "institution", "until": 1}, {"owner": "institution-1", "until": 2}, {"owner": "server"})},
        {"stages": ({"owner": "institution", "until": 1}, {"owner": "server", "until": 2}, {"owner": "server-b"})},
    ],
    "split/u_shaped": [{"cut": (1, 2)}], "split/multi_task": [{"cut": (1, 2)}],
    "split/regional": [{"cut": 1, "regions": 2}, {"cut": 1, "regions": 2, "serving": "interleaved",
                       "institution_weights": "averaged_each_epoch", "optimizer_state": "average"}],
    "split/auxiliary": [{"cut": 1, "server_every": 1}], "split/vertical": [{}, {**AT_HOME, "cut": "output"}],
    "split/sglr": [{"cut": 1, "averaged_fraction": 0.5}],
}  # fmt: skip
TREES, DIRECTED = ("swarm/relay_sum",), ("swarm/push_sum",)
ONCE = {"lr": 1.0, "lr_schedule": {"use": "step", "every": 1, "factor": 1e-15}}  # trains in round 1, then mixes alone


@dataclass(frozen=True)
class Case:
    """A method, its calm job, and the section `faults`."""

    name: str
    arguments: dict[str, Any]
    calm: Job
    faults: dict[str, Any]
    once: bool  # whether it trains in round 1 alone

    def __str__(self) -> str:
        shape = f"{len(self.calm.names)} institutions, {self.calm.rounds} rounds"
        return f"{self.name} {self.arguments}, {shape}\nfaults: {self.faults}"


def case(seed: int) -> Case:
    """The case with that number."""
    rng = np.random.default_rng(seed)
    name = METHODS[seed % len(METHODS)]
    split = name.startswith("split/")
    n, rounds = int(rng.integers(2, 5 if split else 9)), int(rng.integers(3, 5 if split else 9))
    given = {"cut": 1} if split else {}
    choices = ARGUMENTS.get(name, [given])
    arguments = dict(choices[int(rng.integers(len(choices)))])
    once = not split and bool(rng.random() < 0.3) and "momentum" not in arguments
    arguments |= _sized(name, n, rng)
    training = {"lr": 0.1} | (ONCE if once else {}) | arguments
    work = _job(name, training, n, rounds, int(rng.integers(1000)), rng)
    return Case(name, arguments, work, _faults(name, work, rng), once)


def _sized(name: str, n: int, rng: np.random.Generator) -> dict[str, Any]:
    """Arguments that depend on how many institutions there are."""
    if name == "swarm/d_cliques":
        order, cut = rng.permutation(n).tolist(), int(rng.integers(1, n))
        return {"cliques": (tuple(order[:cut]), tuple(order[cut:]))}
    return {}


def _job(name: str, training: dict, n: int, rounds: int, seed: int, rng: np.random.Generator) -> Job:
    options: dict[str, Any] = {"rounds": rounds, "seed": seed}
    if name.startswith("split/"):
        shards = blobs(tuple(rng.choice([2, 3, 5], n).tolist()), features=2, classes=2, seed=seed)
        options["model"] = Mlp(hidden=(2, 2), batch_norm=bool(rng.random() < 0.3))
        if name == "split/vertical":
            shards, options["blocks"] = columns(blobs((3,) * n, features=n, classes=2, seed=seed))
            options["model"] = Multimodal(width=1, hidden=(2,), head=(2,), missing="zero")
        training = {**training, "batch": 3}
    else:
        shards = quadratic(rng.normal(size=n).tolist())
    kind = KINDS[name]
    if getattr(kind, "mixes", False):
        options["mixing"] = _mixing(name, training.get("regions", n), rng)
    return job(kind(**training), shards, **options)


def _mixing(name: str, n: int, rng: np.random.Generator) -> Mixing:
    """A random connected graph with the weights that the method needs."""
    if n == 1:
        return mixing([[1.0]])
    graph = networkx.random_labeled_tree(n, seed=int(rng.integers(1000)))
    extra = rng.random() if name not in TREES else 0.0
    graph.add_edges_from((i, j) for i in range(n) for j in range(i) if rng.random() < extra)
    if name not in DIRECTED:
        return metropolis(graph)
    arcs = networkx.DiGraph([(i, (i + 1) % n) for i in range(n)])
    arcs.add_edges_from((i, j) for i in range(n) for j in range(n) if i != j and rng.random() < extra / 2)
    return push(arcs)


# ------------------------------------------------------------------------------------------- faults


def _faults(name: str, work: Job, rng: np.random.Generator) -> dict[str, Any]:
    """Some of what the method obeys, each with a chance of one half."""
    makers = {
        "participation": lambda: float(rng.uniform(0.2, 1.0)), "churn": lambda: _churn(work, rng),
        "down": lambda: _down(work, rng), "quorum": lambda: _quorum(work, rng),
        "stragglers": lambda: [{**entry, "factor": 2.5} for entry in _absences(work.names, work.rounds, rng)],
        "straggling": lambda: {"probability": float(rng.random()), "factor": 3.0},
        "link_loss": lambda: _link_loss(KINDS[name], rng), "partitions": lambda: _partitions(work, rng),
        "delay": lambda: {"use": "uniform", "most": int(rng.integers(1, 4))},
        "duplication": lambda: float(rng.random()),
        "reordering": lambda: {"probability": float(rng.random()), "seconds": 2.0},
    }  # fmt: skip
    found = {key: make() for key, make in makers.items() if key in KINDS[name].obeys and rng.random() < 0.5}
    return found | ({"lost_weight": "sender"} if name == "swarm/push_sum" else {})


def _churn(work: Job, rng: np.random.Generator) -> dict[str, Any]:
    if rng.random() < 0.5:
        return {"use": "markov", "mean_up": float(rng.uniform(1, 5)), "mean_down": float(rng.uniform(1, 3))}
    rows = (rng.random((len(work.names), work.rounds)) < 0.7).astype(int).tolist()
    return {"use": "trace", "rows": dict(zip(work.names, rows, strict=True))}


def _down(work: Job, rng: np.random.Generator) -> list[dict[str, Any]]:
    servers = list(work.algorithm.named_servers(len(work.names)))
    return _absences([*work.names, *servers], work.rounds, rng)


def _quorum(work: Job, rng: np.random.Generator) -> dict[str, Any]:
    least = int(rng.integers(1, len(work.names) + 1))
    return {"min": least, "otherwise": "stop" if rng.random() < 0.2 else "skip"}


def _absences(names, rounds: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """For some of the names rounds from and until, none of which overlap."""
    found = []
    for name in names:
        if rng.random() < 0.4:
            first = int(rng.integers(1, rounds + 1))
            until = {"until": int(rng.integers(first + 1, rounds + 3))} if rng.random() < 0.8 else {}
            found.append({"institution": name, "from": first, **until})
    return found


def _link_loss(kind: Any, rng: np.random.Generator) -> dict[str, Any]:
    symmetric = bool(getattr(kind, "corrects", False) or rng.random() < 0.5)
    if rng.random() < 0.5:
        return {"use": "independent", "probability": float(min(1, rng.uniform(0, 1.1))), "symmetric": symmetric}
    return {"use": "gilbert_elliott", "to_bad": float(rng.uniform(0.05, 1)), "to_good": float(rng.uniform(0.2, 1)),
            "symmetric": symmetric}  # fmt: skip


def _partitions(work: Job, rng: np.random.Generator) -> list[dict[str, Any]]:
    n = len(work.names)
    order, cut = rng.permutation(n).tolist(), int(rng.integers(1, n))
    first = int(rng.integers(1, work.rounds + 1))
    until = {"until": int(rng.integers(first + 1, work.rounds + 3))} if rng.random() < 0.8 else {}
    return [{"groups": [[work.names[i] for i in order[:cut]]], "from": first, **until}]
