"""A study: methods on the same institutions, one after another, each into its run folder.

A study of several methods has one folder with a sub-folder for each, so that TensorBoard lays their curves over
each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.assemble import assemble, federation_of, hosts_of, server_hosts_of
from swarmsim.experiment import read, resolved_yaml
from swarmsim.lazy import torch
from swarmsim.log.claim import claim
from swarmsim.log.console import result_table
from swarmsim.log.files import read_json, write_atomic, write_json
from swarmsim.log.hparams import write_hparams_experiment
from swarmsim.log.links import command, deep_link
from swarmsim.log.manifest import begin_manifest, end_manifest, resume_manifest
from swarmsim.method import MethodRun, ending, facts, hparams
from swarmsim.metrics import classification
from swarmsim.partition.file import read_partition, save_partition
from swarmsim.runtime.driver import Inline
from swarmsim.types import Federation, InputError

if TYPE_CHECKING:
    from swarmsim.experiment import Experiment, Study
    from swarmsim.runtime.driver import Runtime
    from swarmsim.runtime.world import Job

__all__ = ["resume", "run_study"]


def run_study(study: Study, out: Path, force: bool = False) -> None:
    """Run all methods of a study into a folder that is not used yet (or is emptied by force)."""
    if not force:
        claim(out)
    federation = federation_of(study.methods[0])
    with _opened(study, len(federation.shards)) as runtimes:
        jobs = _jobs(study, federation)
        claim(out, force=True)
        if not study.single:
            _begin(study, out, federation)
        write_hparams_experiment(out, [hparams(experiment) for experiment in study.methods], _metrics(study))
        _carry_out(study, out, federation, list(zip(study.methods, jobs, runtimes, strict=True)), resumed=False)


def resume(out: Path, plugins: Sequence[str] = ()) -> None:
    """Continue a study where its files end: finished methods stay, a broken off one goes on from its checkpoint."""
    if not (out / "experiment.yaml").is_file():
        raise InputError(f"{out}: holds no experiment.yaml, so no run that could be resumed")
    study = read(out / "experiment.yaml", plugins=plugins)
    federation = federation_of(study.methods[0], read_partition(out / "partition.npz"))
    with _opened(study, len(federation.shards)) as runtimes:
        jobs = _jobs(study, federation)
        if not study.single:
            resume_manifest(out)
        _carry_out(study, out, federation, list(zip(study.methods, jobs, runtimes, strict=True)), resumed=True)


# ------------------------------------------------------------------------------------------ a whole study


@contextmanager
def _opened(study: Study, n: int) -> Iterator[list[Runtime]]:
    """The runtime of each method; methods with equal settings share one, so that actors start once.

    While actors start, this process imports what it will need.
    """
    warming = Thread(target=_warm, daemon=True)
    warming.start()
    servers = max(server_hosts_of(each, n) for each in study.methods)
    shared: dict[str, Runtime] = {}
    with ExitStack() as stack:
        stack.callback(warming.join)  # a thread that imports while the interpreter ends writes to stderr
        for experiment in study.methods:
            settings = experiment.runtime.model_dump_json()
            if settings not in shared:
                shared[settings] = stack.enter_context(_open_runtime(experiment, hosts_of(experiment, n), servers))
        yield [shared[experiment.runtime.model_dump_json()] for experiment in study.methods]


def _warm() -> None:
    """Import what the first round will need: torch, then the metrics' library."""
    _ = torch.nn
    classification.scores(np.eye(2), np.arange(2))


def _open_runtime(experiment: Experiment, hosts: int, servers: int) -> Runtime:
    """The runtime that an experiment asks for: `hosts` institution hosts, and as many as any method's servers need."""
    settings = experiment.runtime
    if settings.use == "ray":
        from swarmsim.runtime.ray import RayHosts

        return RayHosts(hosts + servers, settings.address, settings.temp_dir, settings.device == "cuda")
    return Inline()


def _jobs(study: Study, federation: Federation) -> list[tuple[Job, Any]]:
    n = len(federation.shards)
    return [assemble(experiment, federation, hosts_of(experiment, n)) for experiment in study.methods]


def _begin(study: Study, out: Path, federation: Federation) -> None:
    """The files of a folder that holds several methods."""
    write_atomic(out / "experiment.yaml", resolved_yaml(study).encode())
    save_partition(out / "partition.npz", federation)
    begin_manifest(out, facts(study.methods[0], len(federation.shards)) | {"plugins": study.plugins})


def _carry_out(study: Study, out: Path, federation: Federation, planned: list, resumed: bool) -> None:
    summaries = {}
    try:
        for experiment, (job, table), runtime in planned:
            folder = out if study.single else out / experiment.label
            if resumed and _finished(folder):
                summaries[experiment.label] = read_json(folder / "summary.json")
            else:
                method = MethodRun(experiment, job, table, federation, folder, first=not summaries)
                summaries[experiment.label] = method.carry_out(runtime, resumed)
    except BaseException as error:
        if not study.single:
            end_manifest(out, *ending(error))
        raise
    if not study.single:
        write_json(out / "summary.json", {"methods": summaries})
        end_manifest(out, "completed")
    result_table(summaries)
    print(f"results in {out}; look at them with\n  {command(out)}\n  {deep_link(_metrics(study)[0])}")


def _finished(folder: Path) -> bool:
    manifest = folder / "manifest.json"
    return manifest.is_file() and read_json(manifest)["status"] == "completed"


def _metrics(study: Study) -> tuple[str, ...]:
    """What the table of hyperparameters compares, and first what the link shows."""
    shown = {
        "classification": ("auroc", "accuracy", "balanced_accuracy", "loss"),
        "segmentation": ("dice", "iou", "loss"),
    }
    return shown.get(study.methods[0].task.scored_by, ("loss",))
