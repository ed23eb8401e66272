"""Which centralised or unsplit training must give the same numbers as a method, where there is one."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from swarmsim.algorithms.baseline.fedavg import Fedavg
from swarmsim.algorithms.baseline.pooled import Pooled
from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.algorithms.swarm.leader_merge import LeaderMerge
from swarmsim.lazy import torch
from swarmsim.local.sharing import Averaging
from swarmsim.local.training import Training
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.world import Job, network_of
from swarmsim.types import Part

__all__ = ["exactness", "twin_of"]

ROUNDS = 3  # as many rounds are compared at most


class Unsplit:
    """A split method whose steps are taken on the network in one piece; all else is the method's own."""

    def __init__(self, method: Any) -> None:
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def round(self, state: Any, tick: Any, world: Any) -> Any:
        return self._method.unsplit_round(state, tick, world)


def twin_of(job: Job) -> tuple[str, Any] | None:
    """(what the twin is, its algorithm), or None where the method has none."""
    method = job.algorithm
    if hasattr(method, "unsplit_round"):
        return method.twin, Unsplit(method)
    if isinstance(method, LeaderMerge) and _everybody_merges(job):
        twin = Fedavg(**_training(method), weights=method.weights, **_sharing(method), optimizer_state="keep")
        return "federated averaging at a server", twin
    if isinstance(method, Dpsgd) and _averages_models(method, job) and _averages_globally(job):
        weights = method.gradient_weights
        twin = Fedavg(**_training(method), weights=weights, **_sharing(method), optimizer_state="keep")
        return f"federated averaging at a server, weights {weights}", twin
    if isinstance(method, Fedavg) and _is_gradient_descent(method) and _is_deterministic(job):
        return "gradient descent on the pooled examples", Pooled(**_training(method))
    return None


def exactness(job: Job) -> dict[str, Any]:
    """{"twin", "rounds", "max_difference"}: the largest difference of any weight after a few rounds of both."""
    found = twin_of(job)
    if found is None:
        return {"twin": None, "max_difference": None}
    words, algorithm = found
    mine = dataclasses.replace(job, rounds=min(job.rounds, ROUNDS), packed=False)
    servers = algorithm.servers(len(job.names)) if hasattr(algorithm, "servers") else ()
    other = dataclasses.replace(
        mine, algorithm=algorithm, servers=servers, hosts={**mine.hosts, "server": (0,) * len(servers)},
        pool=_pool(job) if isinstance(algorithm, Pooled) else None,
    )  # fmt: skip
    difference = float(np.abs(_trained(mine) - _trained(other)).max())
    return {"twin": words, "rounds": mine.rounds, "max_difference": difference}


def _pool(job: Job) -> Part:
    """All training examples in one place."""
    train = [job.shards[i].train for i in sorted(job.shards)]
    return Part(np.concatenate([part.x for part in train]), np.concatenate([part.y for part in train]))


def _trained(job: Job) -> np.ndarray:
    """Every institution's final parameters and statistics [n, d + b], in float64."""
    with Inline() as runtime:
        runtime.start(job)
        runtime.advance(0, job.rounds)
        models = runtime.models()
    return np.stack(
        [np.concatenate([models[i][kind].double().cpu() for kind in ("params", "buffers")]) for i in models]
    )


def _training(method: Training) -> dict[str, Any]:
    """The training arguments of a method, for another method."""
    return {name: getattr(method, name) for name in Training.model_fields}


def _everybody_merges(job: Job) -> bool:
    """Whether every merge is the weighted mean of everybody's fresh model."""
    plans, everybody = job.schedule.plans, tuple((i, 0) for i in range(len(job.names)))
    plain = job.merge is None and not isinstance(job.algorithm.weights, dict)
    return plain and all(plan.contributors == everybody for plan in plans) and job.schedule.steps is None


def _sharing(method: Averaging) -> dict[str, Any]:
    return {"batch_norm": method.batch_norm, "personal": method.personal}


def _averages_models(method: Dpsgd, job: Job) -> bool:
    """What is averaged are trained models and nothing else, by no rule, and all institutions' statistics alike."""
    plain = method.order == "adapt_then_combine" and method.optimizer_state == "local" and job.merge is None
    alike = method.gradient_weights == "equal" or method.batch_norm == "local"
    return plain and (alike or not network_of(job, torch.float32).buffers.size)


def _averages_globally(job: Job) -> bool:
    mixings = job.schedule.mixings
    return len(mixings) == 1 and bool(np.allclose(mixings[0].dense(), 1 / mixings[0].n, atol=1e-15))


def _is_gradient_descent(method: Fedavg) -> bool:
    plain = method.optimizer == "sgd" and not method.momentum and method.weights == "samples"
    return plain and method.batch is None and (method.local_steps or method.local_epochs or 1) == 1


def _is_deterministic(job: Job) -> bool:
    """No BatchNorm, whose statistics are the batch's, and no dropout, whose masks are an institution's."""
    network = network_of(job, torch.float32)
    return not network.buffers.size and not network.stochastic
