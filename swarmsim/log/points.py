"""The named moments at which a run may be killed: tests kill one at each of them and resume it to the same bits."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["POINTS", "Point", "reached"]


class Point(NamedTuple):
    """A moment between two writes, and what the folder holds then."""

    name: str
    state: str


POINTS = tuple(
    Point(*line.split(": ", 1))
    for line in """\
file.filled: the temporary file has every byte, perhaps in memory alone; the file is the old one, or absent
file.written: the temporary file is on the disk; the file is the old one, or absent
file.renamed: the file is the new one, but a power failure might bring the old one back
file.synced: the file is the new one for good
claim.removed: one more file of an earlier run is gone; experiment.yaml went first, or stays where a run begins again
start.claimed: nothing in the folder can be resumed
start.hparams: TensorBoard has the table of hyperparameters; nothing can be resumed
start.manifest: manifest.json is there and says `running`; nothing can be resumed
start.partition: partition.npz is there; nothing can be resumed
start.experiment: experiment.yaml is there, as the last of its folder: from here on the run can be resumed
start.tables: the csv files have their headers
start.board: TensorBoard's files are open, perhaps empty
round.computed: the round is computed; nothing of it is written
round.metrics: metrics.csv has the round, the other tables do not
round.ledger: ledger.csv has it too
round.merges: merges.csv has it too
round.events: events.csv has it too
round.timing: every table has the round, TensorBoard does not
round.board: TensorBoard has the round in memory, perhaps in its file
checkpoint.tables: the tables are on the disk up to the round; its checkpoint is not
checkpoint.board: TensorBoard's points up to the round are in its files; the checkpoint is not
checkpoint.state: the state of the run is gathered from the hosts; nothing of it is written
checkpoint.saved: the checkpoint is there, and so are those too many before it
checkpoint.pruned: one checkpoint that was too many is gone
resume.swept: leftovers of half-written files are gone; nothing else has changed
resume.manifest: manifest.json says `running` again; the tables may have rounds behind the checkpoint
resume.cut: one more table ends with the round of the checkpoint
models.saved: the models are written, the summary is not
end.board: TensorBoard's files are closed
end.timeline: timeline.json is written, where there is a clock; the tables are still open
end.tables: the tables are on the disk and closed
end.summary: summary.json is written; the manifest says `running`
end.manifest: the manifest says how the method ended
study.between: one more method of the study is over
study.summary: the summary of the study is written; its manifest says `running`
study.manifest: the manifest says how the study ended""".splitlines()
)
"""Every one of them, in the order of a run."""


def reached(name: str) -> None:
    """A run is at this point. Nothing happens: tests put something in the place of this function."""
