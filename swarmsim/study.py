"""A study: methods on the same institutions, one after another, each into its run folder.

A study of several methods has one folder with a sub-folder for each, so that TensorBoard lays their curves over
each other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.assemble import assemble, federation_of, hosts_of, server_hosts_of
from swarmsim.experiment import read, resolved_yaml
from swarmsim.lazy import torch
from swarmsim.log import points
from swarmsim.log.claim import claim, started, sweep
from swarmsim.log.console import result_table
from swarmsim.log.files import explained, read_json, write_json
from swarmsim.log.hparams import write_hparams_experiment
from swarmsim.log.links import command, deep_link
from swarmsim.log.manifest import end_manifest, resume_manifest
from swarmsim.log.run_folder import begin_run
from swarmsim.method import MethodRun, ending, facts, hparams
from swarmsim.metrics import classification
from swarmsim.partition.file import read_partition
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
        with explained(out):
            claim(out)
    federation = federation_of(study.methods[0])
    with _opened(study, len(federation.shards)) as runtimes:
        jobs = _jobs(study, federation)
        with explained(out):
            _begin(study, out, federation)
        _carry_out(study, out, federation, list(zip(study.methods, jobs, runtimes, strict=True)), resumed=False)


def resume(out: Path, plugins: Sequence[str] = ()) -> None:
    """Continue a study where its files end: finished methods stay, a broken off one goes on from its checkpoint."""
    if not started(out):
        raise InputError(
            f"{out}: holds no experiment.yaml with its manifest.json, so no run that could be resumed; start it with "
            f"`swarmsim run FILE --out {out} --force`"
        )
    study = read(out / "experiment.yaml", plugins=plugins)
    federation = federation_of(study.methods[0], read_partition(out / "partition.npz"))
    with _opened(study, len(federation.shards)) as runtimes:
        jobs = _jobs(study, federation)
        if not study.single:
            with explained(out):
                sweep(out)
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
        from swarmsim.runtime.placing import Needs
        from swarmsim.runtime.ray import RayHosts

        shared = None if settings.device == "cuda" else 0
        gpus = shared if settings.gpus_per_host is None else settings.gpus_per_host
        needs = Needs(settings.placement, settings.resources, gpus)
        return RayHosts(hosts + servers, settings.address, settings.temp_dir, needs, settings.patience)
    return Inline()


def _jobs(study: Study, federation: Federation) -> list[tuple[Job, Any]]:
    n = len(federation.shards)
    return [assemble(experiment, federation, hosts_of(experiment, n)) for experiment in study.methods]


def _begin(study: Study, out: Path, federation: Federation) -> None:
    """An empty folder with what belongs to no method; one method alone writes the rest itself."""
    claim(out, force=True)
    write_hparams_experiment(out, [hparams(experiment) for experiment in study.methods], _metrics(study))
    points.reached("start.hparams")
    if not study.single:
        said = facts(study.methods[0], len(federation.shards)) | {"plugins": study.plugins}
        begin_run(out, resolved_yaml(study), said, federation)


def _carry_out(study: Study, out: Path, federation: Federation, planned: list, resumed: bool) -> None:
    with explained(out):
        summaries = _summaries(study, out, federation, planned, resumed)
        if not study.single:
            write_json(out / "summary.json", {"methods": summaries})
            points.reached("study.summary")
            end_manifest(out, "completed")
            points.reached("study.manifest")
    result_table(summaries)
    print(f"results in {out}; look at them with\n  {command(out)}\n  {deep_link(_metrics(study)[0])}")


def _summaries(study: Study, out: Path, federation: Federation, planned: list, resumed: bool) -> dict[str, Any]:
    """What every method ends with; where one ends badly, the manifest of the study says why."""
    summaries = {}
    try:
        for experiment, (job, table), runtime in planned:
            folder = out if study.single else out / experiment.label
            if resumed and _finished(folder):
                summaries[experiment.label] = read_json(folder / "summary.json")
            else:
                method = MethodRun(experiment, job, table, federation, folder, first=not summaries)
                summaries[experiment.label] = method.carry_out(runtime, resumed)
            points.reached("study.between")
    except BaseException as error:
        if started(out):
            with suppress(OSError):
                end_manifest(out, *ending(error))
        raise
    return summaries


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
