"""The final weights of a run: one row an institution, and the parts as they are held."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swarmsim.lazy import torch
from swarmsim.log.files import read_json, write_atomic, write_json

__all__ = ["load_models", "save_models"]


def save_models(
    folder: Path,
    rows: Mapping[str, torch.Tensor],
    layout: Sequence[Mapping],
    parts: Mapping[str, Mapping[str, torch.Tensor]],
) -> None:
    """Write `folder`/model/: rows.safetensors, layout.json and a file for each part (bottom, trunk, head, ...).

    rows: {"params": [n, d], "buffers": [n, b], "counters": [n, c]}; row i is the whole model that institution i
    would use, in the layout of the unsplit model; a tensor without columns is left out.
    layout: where each named tensor lies in its row, {"row", "name", "shape", "offset"} each.
    """
    model = folder / "model"
    model.mkdir(exist_ok=True)
    _write(model / "rows.safetensors", {key: row for key, row in rows.items() if row.numel()})
    write_json(model / "layout.json", list(layout))
    for name, tensors in parts.items():
        _write(model / f"{name}.safetensors", tensors)


def load_models(folder: Path) -> tuple[dict[str, torch.Tensor], list[dict[str, Any]], dict[str, dict]]:
    """(rows, layout, parts) as `save_models` got them."""
    from safetensors.torch import load

    held = {path.stem: load(path.read_bytes()) for path in sorted((folder / "model").glob("*.safetensors"))}
    return held.pop("rows"), read_json(folder / "model" / "layout.json"), held


def _write(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    from safetensors.torch import save

    apart = {key: tensor.detach().clone(memory_format=torch.contiguous_format) for key, tensor in tensors.items()}
    write_atomic(path, save(apart))
