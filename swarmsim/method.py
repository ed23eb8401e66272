"""One method of a study, from its first round to its summary: what the loop yields goes into the run folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.assemble import hosts_of
from swarmsim.experiment import resolved_yaml
from swarmsim.lazy import torch
from swarmsim.log import checkpoint
from swarmsim.log.console import Progress
from swarmsim.log.model import save_models
from swarmsim.log.run_folder import RunFolder
from swarmsim.log.tensorboard import Board, Setup
from swarmsim.partition.file import save_partition
from swarmsim.run import rounds
from swarmsim.runtime.costs import flops_of
from swarmsim.runtime.driver import HostLost
from swarmsim.runtime.world import network_of
from swarmsim.trees import flatten, unflatten
from swarmsim.types import Federation, Report, SwarmsimError

if TYPE_CHECKING:
    from swarmsim.experiment import Experiment
    from swarmsim.runtime.driver import Runtime
    from swarmsim.runtime.world import Job
    from swarmsim.timetable import Timetable

__all__ = ["MethodRun", "ending", "facts", "hparams"]

LIVES = 3  # how many dead hosts a method survives


@dataclass
class MethodRun:
    """One method of a study, from its first round to its summary."""

    experiment: Experiment
    job: Job
    planned: Timetable
    federation: Federation
    folder: Path
    first: bool  # of its study: it shows what all methods share

    def carry_out(self, runtime: Runtime, resumed: bool) -> dict[str, Any]:
        """Run (or go on), record every report, save the models; returns the summary."""
        runtime.start(self.job)
        begin = self._restore(runtime) if resumed else 0
        records, board = self._open(begin)
        try:
            with Progress(self.job.rounds, self.experiment.label) as progress:
                for done in self._reports(runtime, begin, lambda done: self._save(runtime, done, records, board)):
                    report = self.planned.on(done)
                    records.record(report)
                    board.record(report)
                    progress.update(report)
            self._save_models(runtime)
        except BaseException as error:
            status, cause = ending(error)
            board.finish(status)
            records.finish(status, cause, self.flops, self.planned.attendance)
            raise
        board.finish("completed")
        return records.finish("completed", None, self.flops, self.planned.attendance)

    @cached_property
    def flops(self) -> dict[str, int]:
        """FLOPs of one round by participant; {} where no rehearsal tells."""
        return flops_of(self.job) or {}

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
        records = RunFolder.create(self.folder, text, facts(self.experiment, len(self.job.names)), force=True)
        save_partition(self.folder / "partition.npz", self.federation)
        return records, Board(self.folder, setup)

    def _setup(self) -> Setup:
        classes, shards = self.federation.classes, self.federation.shards
        counts = None
        if classes and self.first and not self.federation.blocks:
            counts = np.array([np.bincount(shard.train.y, minlength=len(classes)) for shard in shards])
        nodes = getattr(self.job.algorithm, "nodes", lambda names: ())(self.job.names)
        return Setup(
            self.job.names, classes, counts, self.planned.graph, resolved_yaml(self.experiment),
            hparams(self.experiment), self.flops, nodes, self.job.rounds,
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
        network = network_of(job, torch.float32)
        save_models(self.folder, rows, network.layout(), parts)


def _stacked(models: dict[int, dict]) -> dict[str, torch.Tensor]:
    """{"params": [n, d], ...} from one dict of rows an institution."""
    kinds = models[min(models)] if models else ()
    return {kind: torch.stack([models[i][kind].cpu() for i in sorted(models)]) for kind in kinds}


def facts(experiment: Experiment, n: int) -> dict[str, Any]:
    runtime = experiment.runtime
    return {
        "name": experiment.name, "seed": {"data": experiment.seed_data, "run": experiment.seed_run}, "threads": 1,
        "runtime": runtime.use, "hosts": hosts_of(experiment, n), "plugins": experiment.plugins,
    }  # fmt: skip


def hparams(experiment: Experiment) -> dict[str, Any]:
    """What distinguishes one method from another."""
    algorithm = experiment.resolved["algorithm"]
    sections = {key: experiment.resolved.get(key) for key in ("topology", "merge")}
    return {"algorithm": algorithm, **sections, "seed": experiment.seed_run, "rounds": experiment.rounds}


def ending(error: BaseException) -> tuple[str, str]:
    """(status, cause) for the manifest."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "interrupted by the user"
    diverged = isinstance(error, SwarmsimError) and error.exit_code == 3
    return "diverged" if diverged else "failed", str(error) or type(error).__name__
