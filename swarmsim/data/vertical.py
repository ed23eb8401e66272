"""Vertical data: institutions hold different columns of the same patients, who stand in the same order at each."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

import numpy as np

from swarmsim.data.prepare import Scaling, apply, check, measure
from swarmsim.data.split import Rows, check_rows, split
from swarmsim.data.text import folder_names, listed
from swarmsim.types import Assignment, Block, Dataset, Federation, InputError, Part, Shard

__all__ = ["divide", "prescribed", "spans", "vertical"]


def spans(blocks: tuple[Block, ...]) -> tuple[slice, ...]:
    """Where each block's columns lie among all of them."""
    ends = tuple(accumulate(block.size for block in blocks))
    return tuple(slice(end - block.size, end) for block, end in zip(blocks, ends, strict=True))


def divide(dataset: Dataset, rows: np.ndarray, validation: float, test: float, seed: int) -> Rows:
    """Train, validation and test patients, the same at every institution; the label holder's classes stratify."""
    (parts,) = split(dataset, Assignment((dataset.label_holder,), (rows,)), validation, test, seed)
    return parts


def prescribed(dataset: Dataset, saved: Mapping[str, np.ndarray]) -> Rows:
    """The patients of a saved partition, once it is known to fit the data."""
    names = folder_names([block.name for block in dataset.blocks])
    found = tuple(dict.fromkeys(key.rpartition("/")[0] for key in saved))
    if found != names:
        raise InputError(
            f"partition: the saved partition is of {listed(found)}, but the blocks of the data are {listed(names)}"
        )
    holder = names[_holder(dataset)]
    rows = Rows(*(np.asarray(saved[f"{holder}/{part}"]) for part in Rows._fields))
    check_rows(np.concatenate(rows), len(dataset.targets))
    if any(not np.array_equal(saved[f"{name}/train"], rows.train) for name in names) or not len(rows.train):
        raise InputError("partition: the saved partition does not train every institution on the same patients")
    return rows


def vertical(dataset: Dataset, rows: Rows, standardize: str) -> Federation:
    """One institution a block. Train parts hold its own columns; the label holder tests on all columns side by side.

    Each block is scaled by its training patients, tables by column and images by channel: a column lives at one
    institution, so that `institution` and `pooled` differ in nothing but what fills single gaps (its median, its
    mean). A patient who lacks the block keeps NaN in all of it.
    """
    names = folder_names([block.name for block in dataset.blocks])
    x, outside = _scaled(dataset, rows.train, standardize)
    y, holder = np.ascontiguousarray(dataset.targets), _holder(dataset)
    nobody = Part(x[:0], y[:0])
    shards, indices = [], {}
    for i, (name, own) in enumerate(zip(names, spans(dataset.blocks), strict=True)):
        train = Part(np.ascontiguousarray(x[rows.train, own]), y[rows.train] if i == holder else _unknown(rows.train))
        tried = [Part(x[part], y[part]) if i == holder else nobody for part in rows[1:]]
        shards.append(Shard(name, train, *tried))
        held = rows if i == holder else Rows(rows.train, rows.train[:0], rows.train[:0])
        indices |= {f"{name}/{part}": patients for part, patients in held._asdict().items()}
    return Federation(
        shards=tuple(shards), classes=dataset.classes,
        external=None if dataset.external is None else Part(outside, np.ascontiguousarray(dataset.external.targets)),
        indices=indices, notes=_notes(dataset, rows),
        blocks=tuple(Block(name, block.shape) for name, block in zip(names, dataset.blocks, strict=True)),
        label_holder=holder,
    )  # fmt: skip


def _holder(dataset: Dataset) -> int:
    return [block.name for block in dataset.blocks].index(dataset.label_holder)


def _unknown(patients: np.ndarray) -> np.ndarray:
    """Targets [m, 0] of an institution that has none."""
    return np.zeros((len(patients), 0), dtype=np.float32)


def _scaled(dataset: Dataset, train: np.ndarray, standardize: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Features [N, D] ready for a model, and those of the external examples, scaled alike."""
    outside = None if dataset.external is None else dataset.external.features
    inside, outer = [], []
    for block, own in zip(dataset.blocks, spans(dataset.blocks), strict=True):
        check(_alone(dataset, block, own), standardize)
        trained = _present(block, dataset.features[train][:, own])
        if not len(trained):
            raise InputError(f"data: block {block.name!r} is missing for every training patient")
        typical = np.nanmedian if standardize == "institution" else np.nanmean
        scaling = None if standardize == "none" else measure(trained, typical)
        inside.append(_apply(block, scaling, dataset.features[:, own]))
        outer += [] if outside is None else [_apply(block, scaling, outside[:, own])]
    return np.concatenate(inside, 1), None if outside is None else np.concatenate(outer, 1)


def _alone(dataset: Dataset, block: Block, own: slice) -> Dataset:
    """One block of the patients who have it, as data of its own."""
    outside = None if dataset.external is None else _alone(dataset.external, block, own)
    return Dataset(
        _present(block, dataset.features[:, own]), dataset.targets, feature_names=dataset.feature_names[own],
        external=outside,
    )  # fmt: skip


def _absent(x: np.ndarray) -> np.ndarray:
    """Which patients lack a block, given its columns [m, size]."""
    return np.isnan(x).all(1)


def _present(block: Block, x: np.ndarray) -> np.ndarray:
    return _shaped(block, x[~_absent(x)])


def _shaped(block: Block, x: np.ndarray) -> np.ndarray:
    """Columns [m, size] as a table [m, k], or as images [m, C, H, W] (one channel where a block names none)."""
    shape = block.shape if len(block.shape) != 2 else (1, *block.shape)
    return x.reshape(-1, *shape)


def _apply(block: Block, scaling: Scaling | None, x: np.ndarray) -> np.ndarray:
    """Columns [m, size] scaled; those of patients who lack the block stay NaN."""
    ready = apply(scaling, _shaped(block, x)).reshape(x.shape)
    ready[_absent(x)] = np.nan
    return ready


def _notes(dataset: Dataset, rows: Rows) -> tuple[str, ...]:
    """Who holds what, how many patients all have, and how many lack a block."""
    used = np.concatenate(rows)
    x, left_out = dataset.features[used], len(dataset.targets) - len(used)
    held = ", ".join(f"{block.name} {list(block.shape)}" for block in dataset.blocks)
    notes = [
        f"vertical: {len(used)} patients, the same at every institution, which hold {held}; targets at "
        f"{dataset.label_holder}" + (f"; {left_out} patients lack a block and are left out" if left_out else "")
    ]
    for block, own in zip(dataset.blocks, spans(dataset.blocks), strict=True):
        if missing := int(_absent(x[:, own]).sum()):
            notes.append(f"vertical: {missing} of these patients have no {block.name}: all of its columns are missing")
    return tuple(notes)
