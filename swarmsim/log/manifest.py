"""manifest.json: what ran, with which versions, and how it ended."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from swarmsim.log.files import read_json, write_json

__all__ = ["STATUSES", "begin_manifest", "end_manifest", "resume_manifest"]

STATUSES = ("running", "completed", "failed", "diverged", "interrupted")
PACKAGES = ("swarmsim", "torch", "ray", "numpy")


def begin_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write the manifest of a run that starts; facts: name, seed, threads, runtime, hosts, ..."""
    write_json(folder / "manifest.json", {**facts, "versions": _versions(), "status": "running", "cause": None})


def resume_manifest(folder: Path) -> None:
    """A run goes on: its status is `running` again, perhaps with other versions."""
    _update(folder, versions=_versions(), status="running", cause=None)


def end_manifest(folder: Path, status: str, cause: str | None = None) -> None:
    """Note how a run ended, and why if it did not complete."""
    if status not in STATUSES:
        raise ValueError(f"manifest: no status {status!r}; statuses: {', '.join(STATUSES)}")
    _update(folder, status=status, cause=cause)


def _update(folder: Path, **changes: Any) -> None:
    path = folder / "manifest.json"
    write_json(path, {**read_json(path), **changes})


def _versions() -> dict[str, str | None]:
    return {"python": platform.python_version(), **{package: _installed(package) for package in PACKAGES}}


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
