"""From a validated experiment to the job that hosts carry out."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from swarmsim.data.federate import federate
from swarmsim.lazy import torch
from swarmsim.metrics.targets import check_targets
from swarmsim.rows import Network
from swarmsim.runtime.world import Job, network_of
from swarmsim.stages import BATCH, try_out
from swarmsim.timetable import Timetable, timetable
from swarmsim.types import Federation, InputError, Part, Schedule

if TYPE_CHECKING:
    from swarmsim.experiment import Experiment

__all__ = ["assemble", "federation_of", "hosts_of", "server_hosts_of"]

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


def server_hosts_of(experiment: Experiment, n: int) -> int:
    """How many hosts carry the servers of a method, and the copies of their parts: at most one for each core."""
    algorithm = experiment.algorithm
    servers = len(algorithm.servers(n)) if hasattr(type(algorithm), "servers") else 0
    return min(servers, os.cpu_count() or 1) if experiment.runtime.use == "ray" else min(servers, 1)


def assemble(experiment: Experiment, federation: Federation, hosts: int) -> tuple[Job, Timetable]:
    """The job of one method on these institutions, and what is known of it before it runs.

    Institutions are divided evenly among hosts 0..hosts-1, in order; servers and their copies live on those behind.
    """
    algorithm, runtime, n = experiment.algorithm, experiment.runtime, len(federation.shards)
    kind = type(algorithm)
    packed = "packed" in (runtime.use, runtime.inside)
    if packed and not kind.packs:
        raise InputError(
            f"runtime packed: {experiment.label} lets institutions act one after another, so there is nothing to pack; "
            "use runtime inline or ray"
        )
    _fits(experiment, federation)
    check_targets(experiment.evaluate.targets, experiment.task.scored_by, len(federation.classes), experiment.label)
    servers = algorithm.servers(n) if hasattr(kind, "servers") else ()
    train, there = [shard.train for shard in federation.shards], server_hosts_of(experiment, n)
    places = {
        "institution": tuple(i * hosts // n for i in range(n)),
        "server": tuple(hosts + k % there for k in range(len(servers))),
    }
    job = Job(
        algorithm=algorithm, model=experiment.model, task=experiment.task, names=federation.names,
        sizes=tuple(len(part) for part in train), example=_example(federation),
        outputs=experiment.task.outputs(federation), shards=dict(enumerate(federation.shards)),
        tests=tuple(shard.test for shard in federation.shards), external=federation.external,
        pool=_pool(train) if getattr(kind, "pools", False) else None, schedule=Schedule(), servers=servers,
        hosts=places,
        rounds=experiment.rounds, seed=experiment.seed_run, dtype=runtime.dtype, device=_device(runtime.device),
        packed=packed, blocks=federation.blocks, label_holder=federation.label_holder,
        turns_every=experiment.evaluate.every if experiment.evaluate.turns else None,
        merge=experiment.merge, recalibrate=experiment.evaluate.recalibrate,
    )  # fmt: skip
    try:
        _try_model(job)
    except InputError as error:
        raise InputError(f"{experiment.label}: {error}") from None
    planned = timetable(experiment, federation, job)
    return replace(job, schedule=planned.schedule, delivery=planned.delivery), planned


def _example(federation: Federation) -> tuple[int, ...]:
    """The shape of an example; of all columns together where institutions hold different ones."""
    if federation.blocks:
        return (sum(block.size for block in federation.blocks),)
    return federation.shards[0].train.x.shape[1:]


def _fits(experiment: Experiment, federation: Federation) -> None:
    """Refuse a method or a model of one kind of partition on the other."""
    here, label = bool(federation.blocks), experiment.label
    if here != getattr(type(experiment.algorithm), "vertical", False):
        raise InputError(
            f"{label}: institutions hold other columns of the same patients, which only split/vertical can train on"
            if here
            else f"{label}: needs vertical data, where institutions hold other columns of the same patients: use "
            "partition: {use: vertical, ...} or data: {use: joined, ...}"
        )
    if here and not getattr(type(experiment.model), "vertical", False):
        raise InputError(f"{label}: vertical data needs a model with a part for each institution: use multimodal")
    getattr(experiment.model, "check", lambda federation: None)(federation)


def _try_model(job: Job) -> None:
    """Build the model once, so that one that does not fit the data or the cut is refused before anything starts."""
    try:
        network = network_of(job, torch.float32)
    except InputError:
        raise
    except Exception as error:
        given = f"stages({job.example}, {job.outputs})"
        raise InputError(f"model: {given} raised {type(error).__name__}: {error}") from error
    _check_outputs(job, try_out(network.stages, job.example, job.outputs))
    if job.packed and network.stochastic:
        raise InputError(
            "runtime packed: the model has dropout, whose masks belong to one institution each; "
            "use runtime inline or ray, or dropout: 0"
        )
    if job.packed:
        _try_packing(network, job.example)
    getattr(job.algorithm, "check_names", lambda names: None)(job.names)
    getattr(job.algorithm, "check_stages", lambda names: None)(network.names)
    if (cut := getattr(job.algorithm, "parts_of", None)) is not None:
        cut(network, len(job.names))


def _check_outputs(job: Job, given: tuple[int, ...]) -> None:
    """Refuse a model whose outputs the task would compare with targets of another shape."""
    targets = job.shards[job.label_holder or 0].train.y
    wanted = (job.outputs,) if targets.ndim == 1 else targets.shape[1:]
    if given != wanted:
        raise InputError(
            f"model: an output is {list(given)}, but the targets of task {job.task.scored_by} need {list(wanted)}; use "
            "a model that ends like that, or another task"
        )


def _try_packing(network: Network, example: tuple[int, ...]) -> None:
    """Pass zeros of two institutions through the stages at once, as packed training does."""
    x = torch.zeros(2, BATCH, *example)
    for k, name in enumerate(network.names):
        stage = network.segment(k, k + 1)
        weights = {kind: torch.stack([row, row]) for kind, row in stage.initial().items()}
        try:
            x = torch.vmap(lambda w, x, stage=stage: stage.forward(w, x, train=True, packed=True)[0])(weights, x)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"runtime packed: stage {name!r} cannot be computed for several institutions at once ({error}); "
                "use runtime inline or ray"
            ) from error


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
