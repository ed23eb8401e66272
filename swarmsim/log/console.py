"""What a run prints: a progress bar and a table of results; plain lines where there is no terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

from swarmsim.clock.words import in_seconds
from swarmsim.log.scalars import ROOT, scalars
from swarmsim.log.targets import reached_at
from swarmsim.metrics.summary import main_metric
from swarmsim.types import Report

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Progress", "result_table"]

LINES = 10  # how many lines of progress go to a file or a pipe


class Progress:
    """A bar over the rounds of one method with the current mean test score.

    with Progress(rounds, "swarm/dpsgd") as progress: ... progress.update(report)
    """

    def __init__(self, total: int, label: str, console: Console | None = None) -> None:
        self.total, self.label, self.score = total, label, ""
        self.console = console or _console()
        self._bar = _bar(self.console) if self.console.is_terminal else None
        self._printed = self._scored = -1

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
            self._task = self._bar.add_task(self.label, total=self.total, score="")
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar:
            self._bar.stop()

    def update(self, report: Report) -> None:
        """A round is over."""
        if found := _score(report):
            self.score, self._scored = found, report.round
        if self._bar:
            self._bar.update(self._task, completed=report.round, score=self.score)
        else:
            self._print_line(report.round)

    def _print_line(self, round_: int) -> None:
        tenth = round_ * LINES // max(1, self.total)
        if tenth > self._printed:
            self._printed = tenth
            of = f" (round {self._scored})" if self.score and self._scored != round_ else ""
            line = f"{self.label}: round {round_}/{self.total}  {self.score}{of}".rstrip()
            self.console.print(line, markup=False, highlight=False, soft_wrap=True)


def result_table(summaries: Mapping[str, Mapping[str, Any]], console: Console | None = None) -> None:
    """Print one row for each method and model: its main test metric, what it sent, how long it took.

    Below it when targets were reached, and for each method what its simulated time was spent on.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    console = console or _console()
    metric = main_metric(key for summary in summaries.values() for key in _tested(summary, "local"))
    table = Table(box=SIMPLE_HEAD)
    for column in ("method", "model"):
        table.add_column(column, no_wrap=True)
    timed = any(summary["simulated_seconds"] is not None for summary in summaries.values())
    for column in (f"mean {metric}", "worst", "sent", "wall", *(["simulated"] if timed else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for label, summary in summaries.items():
        for model in ("local", "merged"):
            if metric in (found := _tested(summary, model)):
                table.add_row(label, model, *_cells(found[metric], summary))
    console.print(table)
    _print_targets(summaries, console)
    for label, summary in summaries.items():
        if words := (summary.get("clock") or {}).get("words"):
            console.print(f"  {label}: {words}", markup=False, highlight=False, soft_wrap=True)


def _print_targets(summaries: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """One row for each method, target and figure (mean and worst institution): what it took."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    for column in ("target", "of", "method"):
        table.add_column(column, no_wrap=True)
    for column in ("reached in", "simulated", "sent", "FLOPs"):
        table.add_column(column, justify="right", no_wrap=True)
    asked = {metric: each["target"] for summary in summaries.values() for metric, each in _targets(summary).items()}
    for metric, name in ((metric, name) for metric in asked for name in ("mean", "worst")):
        rows = {label: _targets(summary).get(metric, {}).get(name) for label, summary in summaries.items()}
        target = f"{metric} {asked[metric]:g}"
        if not any(rows.values()):
            table.add_row(target, name, "all", *reached_at(None))
        for label, cost in rows.items() if any(rows.values()) else ():
            table.add_row(target, name, label, *reached_at(cost))
    if table.row_count:
        console.print(table)


def _targets(summary: Mapping[str, Any]) -> Mapping[str, Any]:
    return summary.get("targets", {})


def _cells(figures: Mapping[str, float | None], summary: Mapping[str, Any]) -> tuple[str, ...]:
    from rich.filesize import decimal

    scores = ("-" if figures[key] is None else f"{figures[key]:.3f}" for key in ("mean", "worst"))
    clock = summary["simulated_seconds"]
    simulated = () if clock is None else (in_seconds(clock),)
    return (*scores, decimal(summary["bytes"]), f"{summary['wall_seconds']:.1f} s", *simulated)


def _tested(summary: Mapping[str, Any], model: str) -> Mapping[str, Any]:
    """{metric: figures} of a model on the institutions' own test sets."""
    return summary["scores"].get(model, {}).get("test", {})


def _score(report: Report) -> str:
    """The mean over institutions of the main test metric, in words; empty where nothing was evaluated."""
    means = scalars(report, many=False).get(ROOT, {})
    metric = main_metric(tag.removeprefix("test/") for tag in means if tag.startswith("test/"))
    return f"mean {metric} {means[f'test/{metric}']:.3f}" if metric else ""


def _console() -> Console:
    """The terminal; a file or a pipe has no width, so nothing is cut short for it."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)


def _bar(console: Console):
    from rich import progress

    columns = (
        progress.TextColumn("{task.description}"), progress.BarColumn(), progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[score]}"), progress.TimeRemainingColumn(),
    )  # fmt: skip
    return progress.Progress(*columns, console=console)
