"""The run folder: what a run leaves behind, as plain files that other tools read (DESIGN section 8)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from swarmsim.log.claim import claim
from swarmsim.log.files import write_atomic, write_json
from swarmsim.log.manifest import begin_manifest, end_manifest, resume_manifest
from swarmsim.log.summary import summarise, time_spent
from swarmsim.log.table import Table
from swarmsim.types import InputError, Report

__all__ = ["RunFolder"]

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

    @classmethod
    def create(cls, path: Path | str, experiment: str, facts: Mapping[str, Any], force: bool = False) -> Self:
        """Start a run in a fresh folder: `experiment` is the resolved YAML, `facts` go into the manifest."""
        path = Path(path)
        claim(path, force)
        write_atomic(path / "experiment.yaml", experiment.encode())
        begin_manifest(path, facts)
        return cls(path)

    @classmethod
    def reopen(cls, path: Path | str, after: int) -> Self:
        """Continue a run behind round `after`: whatever was recorded of later rounds is dropped."""
        path = Path(path)
        if not (path / "manifest.json").is_file():
            raise InputError(f"{path}: holds no manifest.json, so no run that could be resumed")
        resume_manifest(path)
        folder = cls(path)
        folder.truncate_after(after)
        return folder

    def truncate_after(self, last: int) -> None:
        """Drop every line of rounds after `last`, and a line that was half written."""
        for table in self._tables.values():
            table.truncate_after(last)

    def record(self, report: Report) -> None:
        """Write one round; a process killed after this has lost nothing of it."""
        metrics = ((report.round, report.seconds, *score[:-1], float(score.value)) for score in report.scores)
        merges = ((*merge[:3], ";".join(merge.contributors), ";".join(merge.left_out), merge.reason)
                  for merge in report.merges)  # fmt: skip
        self._tables["metrics"].append(metrics)
        self._tables["ledger"].append(sorted(report.traffic))
        self._tables["merges"].append(merges)
        self._tables["events"].append(report.events)
        self._record_timing(report.round, {f"{part}_seconds": spent for part, spent in report.wall.items()})

    def _record_timing(self, round_: int, parts: dict[str, float]) -> None:
        table = self._tables["timing"]
        table.widen([part for part in parts if part not in table.header])
        spent = [parts.get(part) for part in table.header[2:]]
        table.append([(round_, sum(parts.values()), *spent)])

    @property
    def wall_seconds(self) -> float:
        """What the recorded rounds took: where a resumed run's clock goes on."""
        return time_spent(self.path)[1]

    def sync(self) -> None:
        """Wait for the disk; before every checkpoint, so that no checkpoint is ahead of its tables."""
        for table in self._tables.values():
            table.sync()

    def close(self) -> None:
        """Let go of the files without a summary: the run goes on some other day."""
        for table in self._tables.values():
            table.close()

    def finish(
        self, status: str, cause: str | None = None, flops: Mapping[str, int] | None = None,
        attendance: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        """Close the tables, write summary.json from them, then the status; returns the summary.

        `flops` are those of one round, by participant; `attendance` says who was in how many merges, and who was not.
        """
        self.sync()
        self.close()
        summary = summarise(self.path, flops) | ({"merges": dict(attendance)} if attendance else {})
        write_json(self.path / "summary.json", summary)
        end_manifest(self.path, status, cause)
        return summary
