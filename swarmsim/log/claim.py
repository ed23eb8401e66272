"""Taking a folder for a run: a used one is refused, or emptied of what a run writes and of nothing else."""

from __future__ import annotations

from pathlib import Path

from swarmsim.types import InputError

__all__ = ["claim"]

CONTRACT = (
    "experiment.yaml", "manifest.json", "metrics.csv", "timing.csv", "ledger.csv", "merges.csv", "events.csv",
    "summary.json", "partition.npz", "events.out.tfevents.*", "model/*.safetensors", "model/layout.json",
    "checkpoints/round-*",
)  # fmt: skip
"""Everything a run writes into its folder (DESIGN section 8)."""


def claim(path: Path, force: bool = False) -> None:
    """Make an empty folder for a run.

    Raises InputError where the folder holds anything, unless `force`: then the files which the contract names
    go, here and in the folders of the methods and institutions below; whatever else lies there stays.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: is a file, not a folder; give another --out")
    if path.is_dir() and any(path.iterdir()):
        if not force:
            raise InputError(
                f"{path}: is already in use; give another --out, continue with `swarmsim resume {path}`, "
                "or replace its results with --force"
            )
        _clear(path)
    path.mkdir(parents=True, exist_ok=True)


def _clear(folder: Path) -> None:
    """Remove what the contract names, then the folders that are empty without it; links are not followed."""
    for pattern in CONTRACT:
        for file in folder.glob(pattern):
            if not file.parent.is_symlink():
                file.unlink()
    for inner in sorted(folder.iterdir()):
        if not inner.is_dir() or inner.is_symlink():
            continue
        if _written_by_a_run(inner):
            _clear(inner)
        if not any(inner.iterdir()):
            inner.rmdir()


def _written_by_a_run(folder: Path) -> bool:
    """A method's run folder, or an institution's folder of TensorBoard events."""
    held = list(folder.iterdir())
    return (folder / "manifest.json").is_file() or all(entry.match("events.out.tfevents.*") for entry in held)
