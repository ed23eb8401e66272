"""Checkpoints: the state of a run in one file, whole and verified, or not at all."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from swarmsim.lazy import torch
from swarmsim.log import points
from swarmsim.log.files import write_atomic
from swarmsim.types import SwarmsimError

__all__ = ["Checkpoint", "load_latest", "read_checkpoint", "save"]

MAGIC = b"swarmsim checkpoint 1\n"
DIGEST = hashlib.sha256().digest_size


class Damaged(SwarmsimError):
    """A file that is no checkpoint, or no longer what was written."""


class Checkpoint(NamedTuple):
    """What a checkpoint holds; `damaged` are the newer files that failed their checksum."""

    round: int
    tensors: dict[str, torch.Tensor]
    meta: dict[str, Any]
    damaged: tuple[Path, ...]


def save(folder: Path, round_: int, tensors: Mapping[str, torch.Tensor], meta: Mapping[str, Any], keep: int) -> Path:
    """Write the checkpoint of a round and remove all but the newest `keep`.

    File: MAGIC, sha256 of the rest, 8 bytes length of the JSON, JSON {"round", "meta"}, tensors as safetensors.
    Tensors may be views and may overlap; each is written whole, with its own bits.
    """
    from safetensors.torch import save as to_bytes

    if keep < 1:
        raise ValueError(f"checkpoint: keep is {keep}, but at least one has to be kept")
    words = json.dumps({"round": round_, "meta": meta}).encode()
    apart = {key: tensor.detach().clone(memory_format=torch.contiguous_format) for key, tensor in tensors.items()}
    payload = len(words).to_bytes(8, "little") + words + to_bytes(apart)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"round-{round_:08d}.ckpt"
    write_atomic(path, MAGIC + hashlib.sha256(payload).digest() + payload)
    points.reached("checkpoint.saved")
    for old in _newest_first(folder)[keep:]:
        old.unlink()
        points.reached("checkpoint.pruned")
    return path


def load_latest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; None where there is none at all.

    Raises SwarmsimError when there are checkpoints and every one of them is damaged.
    """
    damaged: list[Path] = []
    for path in _newest_first(folder):
        try:
            return read_checkpoint(path)._replace(damaged=tuple(damaged))
        except Damaged:
            damaged.append(path)
    if damaged:
        names = ", ".join(path.name for path in damaged)
        raise SwarmsimError(f"{folder}: every checkpoint fails its checksum ({names}); start the run again")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """The content of a file; raises Damaged where it is not what was written. Nothing in it is ever executed."""
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    content = path.read_bytes()
    start = len(MAGIC) + DIGEST
    payload = memoryview(content)[start:]
    if content[:start] != MAGIC + hashlib.sha256(payload).digest():
        raise Damaged(f"{path}: fails its checksum")
    end = 8 + int.from_bytes(payload[:8], "little")
    try:
        words = json.loads(bytes(payload[8:end]))
        return Checkpoint(words["round"], from_bytes(bytes(payload[end:])), words["meta"], ())
    except (ValueError, KeyError, TypeError, RecursionError, SafetensorError) as error:  # somebody forged it
        raise Damaged(f"{path}: holds no state of a run: {error}") from error


def _newest_first(folder: Path) -> list[Path]:
    found = [path for path in folder.glob("round-*.ckpt") if re.fullmatch(r"round-\d{8,}\.ckpt", path.name)]
    return sorted(found, key=lambda path: int(path.stem[6:]), reverse=True)
