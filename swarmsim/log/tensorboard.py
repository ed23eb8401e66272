"""TensorBoard: a run for the method and one for each institution, writing the same tags so that curves overlay.

The wall time of a point is the simulated clock, in seconds since 1970: on the axis RELATIVE curves are read over
simulated time. Where there is no clock, it is the time at which the point was written.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from swarmsim.log import figures
from swarmsim.log.hparams import END, end_summary, start_summary
from swarmsim.log.layout import layout
from swarmsim.log.scalars import MANY, ROOT, clocked, sample, scalars
from swarmsim.log.timeline_figure import timeline_figure
from swarmsim.log.writers import hush
from swarmsim.metrics.summary import main_metric
from swarmsim.types import Merge, Report

if TYPE_CHECKING:
    import networkx
    import numpy as np

    from swarmsim.clock.account import Account

__all__ = ["Board", "Setup", "folder_names"]

LISTED = 100  # merges in the text
PICTURES = 5  # of the topology in a run of at least twice as many rounds; a picture takes half a second
PICTURED = 100  # institutions: of more, and of shorter runs, only the last picture is drawn


@dataclass(frozen=True)
class Setup:
    """What a board shows beside the reports.

    counts [n, classes]: training examples of each class at each institution; graph: its nodes in institution
    order; yaml: the resolved experiment; hparams: nested as in YAML; account: what the clock says, which stands where
    the reports do (None: no clock); nodes: names of the graph's nodes, where they are not the institutions; rounds: how
    many the run has.
    """

    names: tuple[str, ...]
    classes: tuple[str, ...] = ()
    counts: np.ndarray | None = None
    graph: networkx.Graph | None = None
    yaml: str = ""
    hparams: Mapping[str, Any] = field(default_factory=dict)
    account: Account | None = None
    nodes: tuple[str, ...] = ()
    rounds: int = 1


class Board:
    """The event files below `path`: `record` every report, `flush` before every checkpoint, `finish` at the end.

    A resumed run gives the round of its checkpoint (`after`): later points of the first half are purged.
    `wall_seconds` is what the run had taken until then, `merges` are those of the rounds until then, `sent` the bytes
    by participant.
    """

    def __init__(
        self, path: Path | str, setup: Setup, after: int | None = None, wall_seconds: float = 0.0,
        merges: Sequence[Merge] = (), sent: Mapping[str, int] | None = None,
    ) -> None:  # fmt: skip
        from torch.utils.tensorboard import SummaryWriter

        def writer(folder: Path) -> SummaryWriter:
            purge = None if after is None else after + 1
            return SummaryWriter(str(folder), purge_step=purge, max_queue=1000, flush_secs=30)

        hush()
        if after is not None:
            _wait_for_a_later_second(Path(path))
        self.setup, self.wall_seconds, self._round = setup, wall_seconds, after or 0
        self._path, self._after = Path(path), after
        self._many = len(setup.names) > MANY
        folders = folder_names(sample(setup.names))
        self._writers = {ROOT: writer(Path(path))}
        self._writers |= {name: writer(Path(path) / folder) for name, folder in folders.items()}
        self._latest: dict[str, dict[str, float]] = {}  # {tag: {institution: value}} of the last evaluation
        self._laid_out, self._drawn, self._pictured = bool(after), bool(after), False
        self._crossed: Counter[tuple[str, str]] = Counter()
        self._sent = Counter(sent or {})
        self._merges = deque(merges, maxlen=LISTED)
        self._due = (after or 0) + self._pause()
        if after is None:
            self._add(ROOT, start_summary(setup.hparams), 0)
            self._writers[ROOT].add_text("experiment", f"```yaml\n{setup.yaml.rstrip()}\n```", 0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def record(self, report: Report) -> None:
        """Add one round to the curves."""
        runs = scalars(report, self._many)
        for run, tags in self._totals(report).items():
            runs.setdefault(run, {}).update(tags)
        self._round = report.round
        self.wall_seconds += sum(report.wall.values())
        runs.setdefault(ROOT, {})["time/wall_seconds"] = self.wall_seconds
        self._remember(runs)
        if self._latest and not self._laid_out:
            self._laid_out = True
            self._writers[ROOT].add_custom_scalars(layout(runs[ROOT], self._many))
        for run in self._writers.keys() & runs.keys():
            self._add(run, _summary(runs[run]), report.round, report.seconds)
        if report.round and not self._drawn:
            self._draw()
        self._merges += report.merges
        for line in report.traffic:
            if not line.kind.startswith("eval_"):
                self._crossed[line.src, line.dst] += line.bytes
        if report.round >= self._due and any(score.split == "test" for score in report.scores):
            self._draw_topology()

    def flush(self) -> None:
        """Write out every point that was recorded."""
        for writer in self._writers.values():
            writer.flush()

    def _totals(self, report: Report) -> dict[str, dict[str, float]]:
        """What was sent and computed since the run began, by run."""
        for _, src, _, kind, _, size in report.traffic:
            self._sent[src] += 0 if kind.startswith("eval_") else size
        runs = {name: {"net/total_bytes": float(size)} for name, size in self._sent.items()}
        runs[ROOT] = {"net/total_bytes": float(self._sent.total())}
        if self.setup.account is not None:
            for run, tags in clocked(self.setup.account, self.setup.names).items():
                runs.setdefault(run, {}).update(tags)
        return runs

    def finish(self, status: str, targets: str = "") -> None:
        """Draw the topology with the last scores, note how the run ended, close the files.

        targets: a table in Markdown of when they were reached.
        """
        there = _tags_at(self._path, self._round) if self._round == self._after else set()
        if not self._drawn:
            self._draw()
        if (self._crossed or not self._pictured) and "network/topology" not in there:
            self._draw_topology()
        if self._merges and "merges/text_summary" not in there:
            self._writers[ROOT].add_text("merges", _merge_table(self._merges), self._round)
        if targets and "targets/text_summary" not in there:
            self._writers[ROOT].add_text("targets", targets, self._round)
        if self.setup.account is not None and "time/timeline" not in there:
            figure = timeline_figure(self.setup.account)
            if figure is not None:
                self._add(ROOT, _picture("time/timeline", figure), self._round)
        if END not in there:
            self._add(ROOT, end_summary(status == "completed"), self._round)
        self.close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()

    def _add(self, run: str, summary, round_: int, seconds: float | None = None) -> None:
        self._writers[run].file_writer.add_summary(summary, round_, walltime=seconds)

    def _remember(self, runs: dict[str, dict[str, float]]) -> None:
        """Keep every institution's test scores, also of those that have no run of their own."""
        for run in runs.keys() - {ROOT}:
            for tag, value in runs[run].items():
                if tag.startswith("test/"):
                    self._latest.setdefault(tag.removeprefix("test/"), {})[run] = value

    def _draw(self) -> None:
        """The pictures that do not wait for results."""
        self._drawn = True
        setup = self.setup
        if setup.counts is not None and setup.classes:
            self._add(
                ROOT, _picture("data/partition", figures.partition_figure(setup.names, setup.classes, setup.counts)), 0
            )

    def _pause(self) -> float:
        """Rounds between two pictures of the topology."""
        rounds, few = self.setup.rounds, len(self.setup.names) <= PICTURED
        return rounds // PICTURES if few and rounds >= 2 * PICTURES else math.inf

    def _draw_topology(self) -> None:
        """The topology as it is now: nodes by their last scores, edges by what crossed since the last picture."""
        setup = self.setup
        self._due = self._round + self._pause()
        if setup.graph is None:
            return
        metric, self._pictured = main_metric(self._latest) or "", True
        values = None if setup.nodes else self._latest.get(metric)
        figure = figures.topology_figure(setup.graph, setup.nodes or setup.names, values, metric, self._crossed)
        self._add(ROOT, _picture("network/topology", figure), self._round)
        self._crossed.clear()


def folder_names(names: Sequence[str]) -> dict[str, str]:
    """A folder for each institution: its name, or what of it is safe in a path, numbered where two are equal."""
    taken: dict[str, str] = {}
    for name in names:
        safe = re.sub(r"[^\w+ -]", "_", name).strip() or "_"
        number, folder = 1, safe
        while folder in {"model", "checkpoints", *taken.values()}:
            number += 1
            folder = f"{safe}_{number}"
        taken[name] = folder
    return taken


def _wait_for_a_later_second(path: Path) -> None:
    """TensorBoard reads event files in the order of their names, which begin with the second of their creation."""
    stamps = [int(file.name.split(".")[3]) for file in path.glob("events.out.tfevents.*")]
    time.sleep(min(1.0, max(0.0, max(stamps, default=0) + 1 - time.time())))


def _tags_at(folder: Path, step: int) -> set[str]:
    """What event files hold of a step already: a run killed behind its last point has been through the end before."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    files = sorted(folder.glob("events.out.tfevents.*"))
    events = (event for file in files for event in EventFileLoader(str(file)).Load() if event.step == step)
    return {value.tag for event in events for value in event.summary.value}


def _summary(values: Mapping[str, float]):
    from tensorboard.compat.proto.summary_pb2 import Summary

    return Summary(value=[Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()])


def _merge_table(merges: Iterable[Merge]) -> str:
    """Merges as a table in Markdown; merges.csv has all."""
    cells = [
        (each.round, each.leader, ", ".join(each.contributors), ", ".join(each.left_out), each.reason)
        for each in merges
    ]
    rows = [f"| {' | '.join(map(str, row))} |" for row in cells]
    return "\n".join(["| round | leader | in the merge | left out | why |", "|---|---|---|---|---|", *rows])


def _picture(tag: str, figure):
    from tensorboard.compat.proto.summary_pb2 import Summary

    width, height = (int(side) for side in figure.get_size_inches() * 100)
    image = Summary.Image(width=width, height=height, colorspace=4, encoded_image_string=figures.png(figure))
    return Summary(value=[Summary.Value(tag=tag, image=image)])
