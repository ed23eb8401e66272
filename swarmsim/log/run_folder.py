"""The run folder: what a run leaves behind, as plain files that other tools read (DESIGN section 8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from swarmsim.log import points
from swarmsim.log.claim import HPARAMS, IDENTITY, claim, sweep
from swarmsim.log.files import write_atomic, write_json
from swarmsim.log.manifest import begin_manifest, end_manifest, resume_manifest
from swarmsim.log.summary import summarise, time_spent
from swarmsim.log.table import Table, read_rows
from swarmsim.partition.file import save_partition
from swarmsim.types import Federation, InputError, Merge, Report

__all__ = ["RunFolder", "begin_run"]

HEADERS = {
    "metrics": ("round", "seconds", "split", "institution", "model", "metric", "value"),
    "timing": ("round", "wall_seconds"),
    "ledger": ("round", "src", "dst", "kind", "messages", "bytes"),
    "merges": ("round", "merge", "leader", "contributors", "left_out", "reason"),
    "events": ("round", "event", "institution", "detail"),
}


class RunFolder:
    """Records reports as they come. Two equal runs write equal bytes, except timing, manifest and summary.

    Open one with `create` or `reopen`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tables = {name: Table(path / f"{name}.csv", header) for name, header in HEADERS.items()}
        points.reached("start.tables")

    @classmethod
    def create(
        cls, path: Path | str, experiment: str, facts: Mapping[str, Any], force: bool = False,
        federation: Federation | None = None,
    ) -> Self:  # fmt: skip
        """Start a run in a fresh folder: `experiment` is the resolved YAML, `facts` go into the manifest.

        The partition is that of `federation`. experiment.yaml is written last: where it is, nothing else is missing.
        """
        path = Path(path)
        claim(path, force, keep=(HPARAMS,))
        points.reached("start.claimed")
        begin_run(path, experiment, facts, federation)
        return cls(path)

    @classmethod
    def reopen(cls, path: Path | str, after: int) -> Self:
        """Continue a run behind round `after`: whatever was recorded of later rounds is dropped.

        Behind round 0, where nothing was computed yet, the run begins again: it keeps what says which run it is.
        """
        path = Path(path)
        if not (path / "manifest.json").is_file():
            raise InputError(f"{path}: holds no manifest.json, so no run that could be resumed")
        sweep(path)
        points.reached("resume.swept")
        if not after:
            claim(path, force=True, keep=IDENTITY)
        resume_manifest(path)
        points.reached("resume.manifest")
        folder = cls(path)
        folder.truncate_after(after)
        return folder

    def truncate_after(self, last: int) -> None:
        """Drop every line of rounds after `last`, and a line that was half written."""
        for table in self._tables.values():
            table.truncate_after(last)
            points.reached("resume.cut")

    def record(self, report: Report) -> None:
        """Write one round; a process killed after this has lost nothing of it."""
        metrics = ((report.round, report.seconds, *score[:-1], float(score.value)) for score in report.scores)
        merges = ((*merge[:3], ";".join(merge.contributors), ";".join(merge.left_out), merge.reason)
                  for merge in report.merges)  # fmt: skip
        rows = {"metrics": metrics, "ledger": sorted(report.traffic), "merges": merges, "events": report.events}
        for name, lines in rows.items():
            self._tables[name].append(lines)
            points.reached(f"round.{name}")
        self._record_timing(report.round, {f"{part}_seconds": spent for part, spent in report.wall.items()})
        points.reached("round.timing")

    def _record_timing(self, round_: int, parts: dict[str, float]) -> None:
        table = self._tables["timing"]
        table.widen([part for part in parts if part not in table.header])
        spent = [parts.get(part) for part in table.header[2:]]
        table.append([(round_, sum(parts.values()), *spent)])

    @property
    def wall_seconds(self) -> float:
        """What the recorded rounds took: where a resumed run's clock goes on."""
        return time_spent(self.path)[1]

    @property
    def sent(self) -> Counter[str]:
        """Bytes that each participant sent in the recorded rounds, without those of evaluation."""
        sent: Counter[str] = Counter()
        for _, src, _, kind, _, size in read_rows(self.path / "ledger.csv"):
            sent[src] += 0 if kind.startswith("eval_") else int(size)
        return sent

    @property
    def merges(self) -> list[Merge]:
        """Those of the recorded rounds."""
        return [
            Merge(int(t), int(k), leader, _listed(there), _listed(away), reason)
            for t, k, leader, there, away, reason in read_rows(self.path / "merges.csv")
        ]

    def sync(self) -> None:
        """Wait for the disk; before every checkpoint, so that no checkpoint is ahead of its tables."""
        for table in self._tables.values():
            table.sync()

    def close(self) -> None:
        """Let go of the files without a summary: the run goes on some other day."""
        for table in self._tables.values():
            table.close()

    def finish(self, status: str, cause: str | None = None, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Close the tables, write summary.json from them and from what is `known` besides, then the status.

        Returns the summary.
        """
        self.sync()
        self.close()
        points.reached("end.tables")
        summary = summarise(self.path, known)
        write_json(self.path / "summary.json", summary)
        points.reached("end.summary")
        end_manifest(self.path, status, cause)
        points.reached("end.manifest")
        return summary

    def give_up(self, status: str, cause: str) -> None:
        """Note in the manifest why a run ended whose other files can perhaps not be written any more."""
        for table in self._tables.values():
            with suppress(OSError):
                table.close()
        with suppress(OSError):
            end_manifest(self.path, status, cause)


def _listed(names: str) -> tuple[str, ...]:
    return tuple(names.split(";")) if names else ()


def begin_run(path: Path, experiment: str, facts: Mapping[str, Any], federation: Federation | None = None) -> None:
    """What says which run a folder holds: the manifest, the partition, and last of all the resolved experiment."""
    begin_manifest(path, facts)
    points.reached("start.manifest")
    if federation is not None:
        save_partition(path / "partition.npz", federation)
    points.reached("start.partition")
    write_atomic(path / "experiment.yaml", experiment.encode())
    points.reached("start.experiment")
