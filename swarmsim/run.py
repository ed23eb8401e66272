"""The one loop, top to bottom: rounds of a method come out of it, and whoever logs listens outside.

A study is a list of methods on the same institutions. Each method has its run folder; a study of several has
one folder with a sub-folder for each, so that TensorBoard lays their curves over each other.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.assemble import assemble, federation_of, hosts_of
from swarmsim.experiment import read, resolved_yaml
from swarmsim.lazy import torch
from swarmsim.log import checkpoint
from swarmsim.log.claim import claim
from swarmsim.log.console import Progress, result_table
from swarmsim.log.files import read_json, write_atomic, write_json
from swarmsim.log.hparams import write_hparams_experiment
from swarmsim.log.links import command, deep_link
from swarmsim.log.manifest import begin_manifest, end_manifest, resume_manifest
from swarmsim.log.model import save_models
from swarmsim.log.run_folder import RunFolder
from swarmsim.log.tensorboard import Board, Setup
from swarmsim.metrics.scores import measure, measured
from swarmsim.partition.file import read_partition, save_partition
from swarmsim.rows import build
from swarmsim.runtime.driver import HostLost, Inline
from swarmsim.trees import flatten, unflatten
from swarmsim.types import Federation, InputError, Report, SwarmsimError

if TYPE_CHECKING:
    from swarmsim.experiment import Experiment, Study
    from swarmsim.runtime.driver import Runtime
    from swarmsim.runtime.world import Job

__all__ = ["open_runtime", "resume", "rounds", "run_study"]


def rounds(
    runtime: Runtime, job: Job, federation: Federation, every: int, stop: int, begin: int = 0
) -> Iterator[Report]:
    """Rounds begin+1..job.rounds as reports, evaluated every `every` rounds and after the last.

    From the start, a report of round 0 comes first: the models before training. The runtime is asked for many
    rounds at a time, but never beyond the next evaluation or the next multiple of `stop` (a checkpoint).
    """
    if begin == 0:
        yield _evaluated(runtime, job, federation, Report(0))
    t = begin
    while t < job.rounds:
        until = min(job.rounds, t + every - t % every, t + stop - t % stop)
        began = time.perf_counter()
        done = runtime.advance(t, until)
        waited = (time.perf_counter() - began) / len(done)
        for each in done:
            losses = [measured("train", name, "local", "loss", loss) for name, loss in each.losses.items()]
            report = Report(each.round, tuple(losses), each.traffic, each.merges, wall={"train": waited})
            if each.round % every == 0 or each.round == job.rounds:
                report = _evaluated(runtime, job, federation, report)
            yield report
        t = until


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
        write_hparams_experiment(out, [_hparams(experiment) for experiment in study.methods], _metrics(federation))
        _carry_out(study, out, federation, list(zip(study.methods, jobs, runtimes, strict=True)), resumed=False)


def resume(out: Path) -> None:
    """Continue a study where its files end: finished methods stay, a broken off one goes on from its checkpoint."""
    if not (out / "experiment.yaml").is_file():
        raise InputError(f"{out}: holds no experiment.yaml, so no run that could be resumed")
    study = read(out / "experiment.yaml")
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

    While actors start, this process imports torch: the one waits for the other no longer than it must.
    """
    Thread(target=lambda: torch.nn, daemon=True).start()
    servers = any(getattr(type(each.algorithm), "servers", lambda *_: 0)(each.algorithm, n) for each in study.methods)
    shared: dict[str, Runtime] = {}
    with ExitStack() as stack:
        for experiment in study.methods:
            settings = experiment.runtime.model_dump_json()
            if settings not in shared:
                shared[settings] = stack.enter_context(open_runtime(experiment, hosts_of(experiment, n), servers))
        yield [shared[experiment.runtime.model_dump_json()] for experiment in study.methods]


def open_runtime(experiment: Experiment, hosts: int, servers: bool) -> Runtime:
    """The runtime that an experiment asks for: `hosts` institution hosts, and one more if any method has a server."""
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
    begin_manifest(out, _facts(study.methods[0], len(federation.shards)))


def _carry_out(study: Study, out: Path, federation: Federation, planned: list, resumed: bool) -> None:
    summaries = {}
    try:
        for experiment, (job, graph), runtime in planned:
            folder = out if study.single else out / experiment.label
            if resumed and _finished(folder):
                summaries[experiment.label] = read_json(folder / "summary.json")
            else:
                method = _Method(experiment, job, graph, federation, folder)
                summaries[experiment.label] = method.carry_out(runtime, resumed)
    except BaseException as error:
        if not study.single:
            end_manifest(out, *_ending(error))
        raise
    if not study.single:
        write_json(out / "summary.json", {"methods": summaries})
        end_manifest(out, "completed")
    result_table(summaries)
    print(f"results in {out}; look at them with\n  {command(out)}\n  {deep_link(_metrics(federation)[0])}")


def _finished(folder: Path) -> bool:
    manifest = folder / "manifest.json"
    return manifest.is_file() and read_json(manifest)["status"] == "completed"


# ------------------------------------------------------------------------------------------- one method


@dataclass
class _Method:
    """One method of a study, from its first round to its summary."""

    experiment: Experiment
    job: Job
    graph: Any
    federation: Federation
    folder: Path

    def carry_out(self, runtime: Runtime, resumed: bool) -> dict[str, Any]:
        """Run (or go on), record every report, save the models; returns the summary."""
        runtime.start(self.job)
        begin = self._restore(runtime) if resumed else 0
        records, board = self._open(begin)
        try:
            with Progress(self.job.rounds, self.experiment.label) as progress:
                for report in self._reports(runtime, begin, lambda done: self._save(runtime, done, records, board)):
                    records.record(report)
                    board.record(report)
                    progress.update(report)
            self._save_models(runtime)
        except BaseException as error:
            status, cause = _ending(error)
            board.finish(status)
            records.finish(status, cause)
            raise
        board.finish("completed")
        return records.finish("completed")

    def _reports(self, runtime: Runtime, begin: int, save: Callable[[int], None]) -> Iterator[Report]:
        """The reports of the run, with a checkpoint saved behind each that is due.

        A host that dies costs time and nothing else: fresh hosts compute the rounds since the last checkpoint again.
        """
        experiment, lives, recorded = self.experiment, LIVES, begin or -1
        stop = experiment.checkpoint.every if experiment.checkpoint else self.job.rounds
        while True:
            try:
                for report in rounds(runtime, self.job, self.federation, experiment.evaluate.every, stop, begin):
                    if report.round <= recorded:
                        continue
                    recorded = report.round
                    yield report
                    if experiment.checkpoint and recorded and recorded % stop == 0:
                        save(recorded)
                return
            except HostLost as error:
                if not lives:
                    raise
                lives -= 1
                runtime.restart()
                runtime.start(self.job)
                begin = self._restore(runtime)
                print(f"{error}; computing again from round {begin}", file=sys.stderr)

    def _open(self, begin: int) -> tuple[RunFolder, Board]:
        text, setup = resolved_yaml(self.experiment), self._setup()
        if begin:
            records = RunFolder.reopen(self.folder, begin)
            return records, Board(self.folder, setup, begin, records.wall_seconds)
        records = RunFolder.create(self.folder, text, _facts(self.experiment, len(self.job.names)), force=True)
        save_partition(self.folder / "partition.npz", self.federation)
        return records, Board(self.folder, setup)

    def _setup(self) -> Setup:
        classes = self.federation.classes
        counts = [np.bincount(shard.train.y, minlength=len(classes)) for shard in self.federation.shards if classes]
        return Setup(
            self.job.names, classes, np.array(counts) if classes else None, self.graph,
            resolved_yaml(self.experiment), _hparams(self.experiment),
        )  # fmt: skip

    def _save(self, runtime: Runtime, done: int, records: RunFolder, board: Board) -> None:
        """A checkpoint, behind everything that was recorded until then."""
        records.sync()
        board.flush()
        structure, tensors = flatten(runtime.save())
        named = {str(place): tensor for place, tensor in enumerate(tensors)}
        checkpoint.save(self.folder / "checkpoints", done, named, {"state": structure}, self.experiment.checkpoint.keep)

    def _restore(self, runtime: Runtime) -> int:
        """Give the runtime its last checkpoint; returns the round it was taken after, 0 if there is none."""
        found = checkpoint.load_latest(self.folder / "checkpoints")
        if found is None:
            return 0
        runtime.load(unflatten(found.meta["state"], [found.tensors[str(k)] for k in range(len(found.tensors))]))
        return found.round

    def _save_models(self, runtime: Runtime) -> None:
        rows = _stacked(runtime.models())
        parts = {name: _stacked(held) for name, held in runtime.parts().items()}
        job = self.job
        network = build(lambda: job.model.stages(job.example, job.outputs), job.seed, torch.float32)
        save_models(self.folder, rows, network.layout(), parts)


def _evaluated(runtime: Runtime, job: Job, federation: Federation, report: Report) -> Report:
    """The report with the scores of all models on all their test sets."""
    began = time.perf_counter()
    merges = getattr(type(job.algorithm), "merges", False)
    pooled = tuple(range(len(job.names))) if len(job.names) <= POOLED else ()
    predictions, distances, traffic = runtime.predict(report.round, pooled, merges)
    scores = measure(predictions, distances, federation, job.task.scored_by)
    return Report(
        report.round, report.scores + scores, report.traffic + tuple(traffic), report.merges, report.seconds,
        {**report.wall, "evaluate": time.perf_counter() - began},
    )  # fmt: skip


LIVES = 3  # how many dead hosts a method survives

POOLED = 32  # up to so many institutions, every local model is tried on the pooled test set too


def _stacked(models: dict[int, dict]) -> dict[str, torch.Tensor]:
    """{"params": [n, d], ...} from one dict of rows an institution."""
    kinds = models[min(models)] if models else ()
    return {kind: torch.stack([models[i][kind].cpu() for i in sorted(models)]) for kind in kinds}


def _facts(experiment: Experiment, n: int) -> dict[str, Any]:
    runtime = experiment.runtime
    return {
        "name": experiment.name, "seed": {"data": experiment.seed_data, "run": experiment.seed_run}, "threads": 1,
        "runtime": runtime.use, "hosts": hosts_of(experiment, n),
    }  # fmt: skip


def _hparams(experiment: Experiment) -> dict[str, Any]:
    """What distinguishes one method from another."""
    algorithm = experiment.resolved["algorithm"]
    topology = experiment.resolved.get("topology")
    return {"algorithm": algorithm, "topology": topology, "seed": experiment.seed_run, "rounds": experiment.rounds}


def _metrics(federation: Federation) -> tuple[str, ...]:
    return ("auroc", "accuracy", "balanced_accuracy", "loss") if federation.classes else ("loss",)


def _ending(error: BaseException) -> tuple[str, str]:
    """(status, cause) for the manifest."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "interrupted by the user"
    diverged = isinstance(error, SwarmsimError) and error.exit_code == 3
    return "diverged" if diverged else "failed", str(error) or type(error).__name__
