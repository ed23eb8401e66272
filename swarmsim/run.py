"""The one loop, top to bottom: the rounds of a method come out of it as reports; it knows no logger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from swarmsim.metrics.scores import measure, measured
from swarmsim.metrics.turns import measure_turns
from swarmsim.runtime.host import Diverged
from swarmsim.types import Federation, Report

if TYPE_CHECKING:
    from swarmsim.runtime.driver import Round, Runtime
    from swarmsim.runtime.world import Job

__all__ = ["rounds"]

POOLED = 32  # up to so many institutions, every local model is tried on the pooled test set too


def rounds(
    runtime: Runtime, job: Job, federation: Federation, every: int, stop: int, begin: int = 0
) -> Iterator[Report]:
    """Rounds begin+1..job.rounds as reports, evaluated every `every` rounds and after the last.

    From the start, a report of round 0 comes first: the models before training. The runtime is asked for many
    rounds at a time, but never beyond the next evaluation or the next multiple of `stop` (a checkpoint). Rounds before
    one that diverged are reported before Diverged is raised.
    """
    if begin == 0:
        yield _evaluated(runtime, job, federation, Report(0))
    t = begin
    while t < job.rounds:
        until = min(job.rounds, t + every - t % every, t + stop - t % stop)
        began = time.perf_counter()
        try:
            done, diverged = runtime.advance(t, until), None
        except Diverged as error:
            done, diverged = error.earlier, error
        waited = (time.perf_counter() - began) / max(1, len(done))
        for each in done:
            notes = {**{(name, "loss"): loss for name, loss in each.losses.items()}, **each.notes}
            said = tuple(measured("train", name, "local", metric, value) for (name, metric), value in notes.items())
            report = Report(each.round, said, each.traffic, each.merges, wall={"train": waited})
            if each.round % every == 0 or each.round == job.rounds:
                report = _evaluated(runtime, job, federation, report, each)
            yield report
        if diverged:
            raise diverged
        t = until


def _evaluated(runtime: Runtime, job: Job, federation: Federation, report: Report, done: Round | None = None) -> Report:
    """The report with the scores of all models on all their test sets, and of the turns of the round that is done."""
    began, kind = time.perf_counter(), type(job.algorithm)
    pooled = tuple(range(len(job.names))) if len(job.names) <= POOLED and federation.one_task else ()
    predictions, distances, traffic = runtime.predict(report.round, pooled, getattr(kind, "merges", False))
    scores = measure(predictions, distances, federation, job.task.scored_by)
    if done and getattr(kind, "serves", False) and job.task.scored_by == "classification":
        scores += measure_turns(done.order, done.turns, predictions, federation)
    return Report(
        report.round, report.scores + scores, report.traffic + tuple(traffic), report.merges, report.seconds,
        {**report.wall, "evaluate": time.perf_counter() - began},
    )  # fmt: skip
