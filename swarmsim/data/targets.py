"""What is to be predicted: class indices, or numbers."""

from __future__ import annotations

import numpy as np

from swarmsim.types import InputError

__all__ = ["class_targets", "number_targets"]


def class_targets(values: np.ndarray, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Indices [N] int64 and the names of the classes: sorted, numbers by value and words by letters."""
    values = _flat(values, where)
    if values.dtype.kind == "f" and not np.array_equal(values, np.floor(values)):
        bad = values[values != np.floor(values)][0]
        raise InputError(f"data: {where} holds {bad}, which is no class; write target_type: regression for numbers")
    classes, targets = np.unique(values, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"data: {where} holds one class only ({classes[0]!s}); classification needs two")
    return targets.reshape(-1).astype(np.int64), tuple(_name(value) for value in classes)


def number_targets(values: np.ndarray, where: str) -> np.ndarray:
    """Targets [N, k] float32; anything missing or infinite is an error."""
    try:
        numbers = np.asarray(values, dtype=np.float32)
    except ValueError as error:
        raise InputError(f"data: {where} holds values that are no numbers ({error}); use classification") from error
    if not np.isfinite(numbers).all():
        row = int(np.argwhere(~np.isfinite(numbers))[0][0])
        raise InputError(f"data: {where}: row {row + 1} is {numbers[row]}; every example needs a target")
    return np.ascontiguousarray(numbers.reshape(len(numbers), -1))


def _flat(values: np.ndarray, where: str) -> np.ndarray:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise InputError(
            f"data: {where} has shape {list(values.shape)}; one class per example is needed, [N] or [N, 1]"
        )
    if not len(values):
        raise InputError(f"data: {where} is empty")
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        row = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"data: {where}: row {row + 1} is {values[row]}; every example needs a target")
    return values


def _name(value: np.generic) -> str:
    return str(int(value)) if value.dtype.kind in "fb" else str(value)
