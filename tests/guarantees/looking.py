"""What is in a run folder, and whether two of them hold the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

__all__ = ["curves", "differences", "unreadable"]

SAME = (
    "*.csv",
    "experiment.yaml",
    "timeline.json",
    "partition.npz",
    "timeline.json",
    "model/*.safetensors",
    "model/layout.json",
)
OTHER = ("timing.csv",)
CLOCKED = "time/wall_seconds"


def differences(out: Path, whole: Path) -> list[str]:
    """What a run folder has that another lacks, or has otherwise; [] where one cannot tell them apart."""
    found = [f"{path} was left behind" for path in out.rglob("*.tmp")]
    for folder in _methods(whole):
        here = out / folder.relative_to(whole)
        found += _other_bytes(here, folder)
        found += [f"{here.name}: {line}" for line in _other_curves(here, folder)]
        found += [f"{here}: {key} differs" for key in ("status", "cause") if _said(here)[key] != _said(folder)[key]]
    return found


def unreadable(out: Path) -> list[str]:
    """Files that are half written although they look whole: everything but tables, events and *.tmp."""
    return [f"{path}: {error!r}" for path in sorted(out.rglob("*")) if (error := _trouble(path)) is not None]


def curves(folder: Path) -> dict[str, list]:
    """{tag: what TensorBoard shows of it}: (step, value) of numbers, steps of everything else."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    kinds = ("scalars", "images", "tensors", "histograms", "compressedHistograms", "audio", "graph", "meta_graph")
    events = EventAccumulator(str(folder), dict.fromkeys(kinds, 0)).Reload()
    tags = events.Tags()
    found: dict[str, list] = {tag: [(p.step, p.value) for p in events.Scalars(tag)] for tag in tags["scalars"]}
    found |= {tag: [image.step for image in events.Images(tag)] for tag in tags["images"]}
    return found | {tag: [tensor.step for tensor in events.Tensors(tag)] for tag in tags["tensors"]}


def _methods(whole: Path) -> list[Path]:
    return sorted(path.parent for path in whole.rglob("manifest.json"))


def _other_bytes(out: Path, whole: Path) -> list[str]:
    names = {path.relative_to(at) for at in (out, whole) for pattern in SAME for path in at.glob(pattern)}
    pairs = [(out / name, whole / name) for name in sorted(names) if name.name not in OTHER]
    return [f"{a} differs" for a, b in pairs if not (a.exists() and b.exists() and a.read_bytes() == b.read_bytes())]


def _other_curves(out: Path, whole: Path) -> list[str]:
    places = {path.parent.relative_to(at) for at in (out, whole) for path in at.glob("**/events.out.tfevents.*")}
    found = []
    for place in sorted(places):
        here, there = curves(out / place), curves(whole / place)
        for tag in sorted(here.keys() | there.keys()):
            if _comparable(tag, here.get(tag, [])) != _comparable(tag, there.get(tag, [])):
                found.append(f"{place}: {tag} is {here.get(tag)}, not {there.get(tag)}")
    return found


def _comparable(tag: str, points: list) -> list:
    return [step for step, _ in points] if tag == CLOCKED else points


def _said(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "manifest.json").read_text())


def _trouble(path: Path) -> Exception | None:
    """Why a file cannot be read whole."""
    import numpy as np
    from safetensors.torch import load

    from swarmsim.log.checkpoint import read_checkpoint

    readers = {
        ".json": lambda: json.loads(path.read_text()),
        ".npz": lambda: dict(np.load(path)),
        ".safetensors": lambda: load(path.read_bytes()),
        ".ckpt": lambda: read_checkpoint(path),
        ".yaml": lambda: json.dumps(path.read_text().splitlines()[-1]),
    }
    try:
        readers.get(path.suffix, lambda: None)()
    except Exception as error:
        return error
    return None
