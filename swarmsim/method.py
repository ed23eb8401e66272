"""One method of a study, from its first round to its summary: what the loop yields goes into the run folder."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.assemble import hosts_of
from swarmsim.clock.account import Account
from swarmsim.clock.trace_events import trace
from swarmsim.experiment import resolved_yaml
from swarmsim.lazy import torch
from swarmsim.log import checkpoint, points
from swarmsim.log.claim import started
from swarmsim.log.console import Progress
from swarmsim.log.files import write_atomic
from swarmsim.log.model import save_models
from swarmsim.log.run_folder import RunFolder
from swarmsim.log.targets import in_markdown, to_targets
from swarmsim.log.tensorboard import Board, Setup
from swarmsim.run import rounds
from swarmsim.runtime.driver import HostLost
from swarmsim.runtime.world import network_of
from swarmsim.trees import flatten, unflatten
from swarmsim.types import Federation, Report, SwarmsimError
from swarmsim.unscanned import unscanned

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
        records, board = self._open(begin, resumed)
        if self.account is not None:
            _ = self.compute  # now: the clock forgets the programs of rounds that are long over
            self.account.until(begin)  # killed behind its last round, a run has no other in which to follow the clock
        try:
            with unscanned(), Progress(self.job.rounds, self.experiment.label) as progress:
                for done in self._reports(runtime, begin, lambda done: self._save(runtime, done, records, board)):
                    if self.account is not None:
                        self.account.until(done.round)
                    report = self.planned.on(done)
                    points.reached("round.computed")
                    records.record(report)
                    board.record(report)
                    points.reached("round.board")
                    progress.update(report)
            self._save_models(runtime)
        except BaseException as error:
            self._end_badly(error, records, board)
            raise
        return self._end(records, board, "completed")

    def _end(self, records: RunFolder, board: Board, status: str, cause: str | None = None) -> dict[str, Any]:
        """What is written once, behind the last round; returns the summary."""
        account, wanted = self.account, self.experiment.evaluate.targets
        targets = to_targets(self.folder, wanted, account and account.totals)
        board.finish(status, in_markdown(targets) if targets else "")
        points.reached("end.board")
        if account is not None:
            write_atomic(self.folder / "timeline.json", json.dumps(trace(account), separators=(",", ":")).encode())
        points.reached("end.timeline")
        return records.finish(status, cause, self._known(targets))

    def _end_badly(self, error: BaseException, records: RunFolder, board: Board) -> None:
        """Note why the run ended; what cannot be drawn or written any more must not hide it."""
        status, cause = ending(error)
        try:
            self._end(records, board, status, cause)
        except Exception:
            records.give_up(status, cause)

    @cached_property
    def account(self) -> Account | None:
        """What the clock says of the rounds until now; None where no rehearsal tells."""
        return None if self.planned.clock is None else Account(self.planned.clock)

    @cached_property
    def compute(self) -> dict[str, int]:
        """FLOPs of the first round by participant; {} where no rehearsal tells."""
        return {} if self.planned.clock is None else self.planned.clock.flops()

    def _known(self, targets: Mapping[str, Any]) -> dict[str, Any]:
        """What the summary says beside what is in the tables."""
        known: dict[str, Any] = {"targets": targets} if targets else {}
        if self.account is not None:
            clock = {"compute": self.compute, "flops": self.account.totals[-1], "clock": self.account.summary()}
            known = clock | known
        return known | ({"merges": self.planned.attendance} if self.planned.attendance else {})

    def _reports(self, runtime: Runtime, begin: int, save: Callable[[int], None]) -> Iterator[Report]:
        """The reports of the run, with a checkpoint saved behind each that is due.

        A host that dies costs time and nothing else: fresh hosts compute the rounds since the last checkpoint again.
        """
        experiment, lives, recorded, alive = self.experiment, LIVES, begin or -1, True
        stop = experiment.checkpoint.every if experiment.checkpoint else self.job.rounds
        while True:
            try:
                if not alive:
                    begin = self._revive(runtime)
                    alive = True
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
                    raise SwarmsimError(f"{error}; given up after computing again {LIVES} times") from error
                print(f"{error}; computing again from the last checkpoint", file=sys.stderr)
                lives, alive = lives - 1, False

    def _revive(self, runtime: Runtime) -> int:
        """Fresh hosts that stand where the last checkpoint was taken; returns the round of it."""
        runtime.restart()
        runtime.start(self.job)
        return self._restore(runtime)

    def _open(self, begin: int, resumed: bool) -> tuple[RunFolder, Board]:
        text, setup = resolved_yaml(self.experiment), self._setup()
        if resumed and started(self.folder):
            records = RunFolder.reopen(self.folder, begin)
        else:
            said = facts(self.experiment, len(self.job.names))
            records = RunFolder.create(self.folder, text, said, force=True, federation=self.federation)
        board = Board(self.folder, setup, begin or None, records.wall_seconds, records.merges, records.sent)
        points.reached("start.board")
        return records, board

    def _setup(self) -> Setup:
        classes, shards = self.federation.classes, self.federation.shards
        counts = None
        if classes and self.first and not self.federation.blocks:
            counts = np.array([np.bincount(shard.train.y, minlength=len(classes)) for shard in shards])
        nodes = getattr(self.job.algorithm, "nodes", lambda names: ())(self.job.names)
        return Setup(
            self.job.names, classes, counts, self.planned.graph, resolved_yaml(self.experiment),
            hparams(self.experiment), self.account, nodes, self.job.rounds,
        )  # fmt: skip

    def _save(self, runtime: Runtime, done: int, records: RunFolder, board: Board) -> None:
        """A checkpoint, behind everything that was recorded until then."""
        records.sync()
        points.reached("checkpoint.tables")
        board.flush()
        points.reached("checkpoint.board")
        structure, tensors = flatten(runtime.save())
        points.reached("checkpoint.state")
        named = {str(place): tensor for place, tensor in enumerate(tensors)}
        checkpoint.save(self.folder / "checkpoints", done, named, {"state": structure}, self.experiment.checkpoint.keep)

    def _restore(self, runtime: Runtime) -> int:
        """Give the runtime its last checkpoint; returns the round it was taken after, 0 if there is none."""
        found = checkpoint.load_latest(self.folder / "checkpoints")
        if found is None:
            return 0
        for path in found.damaged:
            print(f"{path}: fails its checksum; going on from round {found.round} instead", file=sys.stderr)
        runtime.load(unflatten(found.meta["state"], [found.tensors[str(k)] for k in range(len(found.tensors))]))
        return found.round

    def _save_models(self, runtime: Runtime) -> None:
        rows = _stacked(runtime.models())
        parts = {name: _stacked(held) for name, held in runtime.parts().items()}
        job = self.job
        network = network_of(job, torch.float32)
        save_models(self.folder, rows, network.layout(), parts)
        points.reached("models.saved")


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
