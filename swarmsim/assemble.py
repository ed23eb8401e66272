"""From a validated experiment to the job that hosts carry out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from swarmsim.data.federate import federate
from swarmsim.lazy import torch
from swarmsim.rows import build as build_network
from swarmsim.runtime.world import Job
from swarmsim.topology.build import build
from swarmsim.types import Federation, InputError, Part

if TYPE_CHECKING:
    import networkx

    from swarmsim.experiment import Experiment

__all__ = ["assemble", "federation_of", "hosts_of"]

FITTING = 8  # actors that start in reasonable time and memory; beyond, institutions share hosts


def federation_of(experiment: Experiment, saved: dict[str, np.ndarray] | None = None) -> Federation:
    """The institutions and their examples: the same for every method of a study."""
    return federate(experiment.data, experiment.partition, experiment.institutions, experiment.seed_data, saved)


def hosts_of(experiment: Experiment, n: int) -> int:
    """How many hosts carry the n institutions (the server's host comes on top)."""
    runtime = experiment.runtime
    if runtime.use != "ray":
        return 1
    if runtime.institutions_per_host:
        return -(-n // runtime.institutions_per_host)
    fitting = n if n <= FITTING else (os.cpu_count() or 1)
    return min(n, runtime.hosts or fitting)


def assemble(experiment: Experiment, federation: Federation, hosts: int) -> tuple[Job, networkx.Graph | None]:
    """The job of one method on these institutions, and the graph they talk over (None where there is none).

    Institutions are divided evenly among hosts 0..hosts-1, in order; server copies live on host `hosts`.
    """
    algorithm, runtime, n = experiment.algorithm, experiment.runtime, len(federation.shards)
    kind = type(algorithm)
    graph, mixing = _topology(experiment, federation)
    packed = "packed" in (runtime.use, runtime.inside)
    if packed and not kind.packs:
        raise InputError(
            f"runtime packed: {experiment.label} lets institutions act one after another, so there is nothing to pack; "
            "use runtime inline or ray"
        )
    servers = algorithm.servers(n) if hasattr(kind, "servers") else 0
    train = [shard.train for shard in federation.shards]
    job = Job(
        algorithm=algorithm, model=experiment.model, task=experiment.task, names=federation.names,
        sizes=tuple(len(part) for part in train), example=train[0].x.shape[1:],
        outputs=experiment.task.outputs(federation), shards=dict(enumerate(federation.shards)),
        tests=tuple(shard.test for shard in federation.shards), external=federation.external,
        pool=_pool(train) if getattr(kind, "pools", False) else None, mixing=mixing, servers=servers,
        hosts={"institution": tuple(i * hosts // n for i in range(n)), "server": (hosts,) * servers},
        rounds=experiment.rounds, seed=experiment.seed_run, dtype=runtime.dtype, device=_device(runtime.device),
        packed=packed,
    )  # fmt: skip
    try:
        _try_model(job)
    except InputError as error:
        raise InputError(f"{experiment.label}: {error}") from None
    return job, graph


def _try_model(job: Job) -> None:
    """Build the model once, so that one that does not fit the data or the cut is refused before anything starts."""
    network = build_network(lambda: job.model.stages(job.example, job.outputs), job.seed, torch.float32)
    if job.packed and network.stochastic:
        raise InputError(
            "runtime packed: the model has dropout, whose masks belong to one institution each; "
            "use runtime inline or ray, or dropout: 0"
        )
    if (cut := getattr(job.algorithm, "parts_of", None)) is not None:
        cut(network)


def _topology(experiment: Experiment, federation: Federation) -> tuple:
    """(graph, W); a method that mixes needs one, a method that does not leaves a given one unused."""
    if experiment.topology is None:
        if getattr(type(experiment.algorithm), "mixes", False):
            raise InputError(f"{experiment.label}: needs a topology, for example topology: {{use: ring}}")
        return None, None
    return build(experiment.topology, len(federation.shards), experiment.seed_run, federation.names)


def _pool(parts: list[Part]) -> Part:
    return Part(np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]))


def _device(wanted: str) -> str:
    """cuda where it is asked for, or `auto` finds it."""
    if wanted == "cpu":
        return "cpu"
    found = torch.cuda.is_available()
    if wanted == "cuda" and not found:
        raise InputError("runtime.device: cuda was asked for, but torch finds no GPU; use auto or cpu")
    return "cuda" if found else "cpu"
