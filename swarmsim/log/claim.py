"""Taking a folder for a run: a used one is refused, or emptied of what a run writes and of nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swarmsim.log import points
from swarmsim.types import InputError

__all__ = ["HPARAMS", "IDENTITY", "claim", "started", "sweep"]

CONTRACT = (
    "experiment.yaml", "metrics.csv", "timing.csv", "ledger.csv", "merges.csv", "events.csv", "timeline.json",
    "summary.json", "partition.npz", "events.out.tfevents.*", "model/*.safetensors", "model/layout.json",
    "checkpoints/round-*", "manifest.json",
)  # fmt: skip
"""Everything a run writes into its folder (DESIGN section 8). It is removed in this order: without experiment.yaml
nothing can be resumed, and as long as manifest.json is there the folder is known to be a run's."""
UNFINISHED = ".tmp"  # ends the name of a file that is being written
HPARAMS = "events.out.tfevents.*.hparams"
IDENTITY = ("experiment.yaml", "manifest.json", "partition.npz", HPARAMS)
"""What says which run it is: written before the first round, and kept by a run that begins again."""


def claim(path: Path, force: bool = False, keep: Sequence[str] = ()) -> None:
    """Make an empty folder for a run.

    Raises InputError where the folder holds anything, unless `force`: then the files which the contract names
    go, here and in the folders of the methods and institutions below; whatever else lies there stays, and so do
    files of this folder that match `keep`.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file, not a folder; give another --out")
    if path.is_dir() and any(path.iterdir()):
        if not force:
            raise InputError(
                f"{path}: is already in use; give another --out, continue with `swarmsim resume {path}`, "
                "or replace its results with --force"
            )
        _clear(path, keep)
    path.mkdir(parents=True, exist_ok=True)


def started(path: Path) -> bool:
    """Whether the folder holds a run that got as far as its first round; experiment.yaml is written last."""
    return (path / "experiment.yaml").is_file() and (path / "manifest.json").is_file()


def sweep(folder: Path) -> None:
    """Remove what a killed run left half written."""
    for pattern in CONTRACT:
        _remove(folder, pattern + UNFINISHED)


def _clear(folder: Path, keep: Sequence[str] = ()) -> None:
    """Remove what the contract names, then the folders that are empty without it; links are not followed."""
    for pattern in CONTRACT:
        _remove(folder, pattern, keep)
        _remove(folder, pattern + UNFINISHED)
    for inner in sorted(folder.iterdir()):
        if not inner.is_dir() or inner.is_symlink():
            continue
        if _written_by_a_run(inner):
            _clear(inner)
        if not any(inner.iterdir()):
            inner.rmdir()


def _remove(folder: Path, pattern: str, keep: Sequence[str] = ()) -> None:
    for file in folder.glob(pattern):
        if not file.parent.is_symlink() and not any(file.match(kept) for kept in keep):
            file.unlink()
            points.reached("claim.removed")


def _written_by_a_run(folder: Path) -> bool:
    """A method's run folder, or an institution's folder of TensorBoard events."""
    held = list(folder.iterdir())
    known = any((folder / name).is_file() for name in ("manifest.json", "manifest.json" + UNFINISHED))
    return known or all(entry.match("events.out.tfevents.*") for entry in held)
