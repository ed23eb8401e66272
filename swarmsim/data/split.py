"""Train, validation and test examples of each institution, stratified by class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from swarmsim.rng import stream
from swarmsim.types import Assignment, Dataset, InputError

__all__ = ["Rows", "check_rows", "split"]


class Rows(NamedTuple):
    """Rows of the data set that one institution trains, validates and tests on, each ascending."""

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray


def split(dataset: Dataset, assignment: Assignment, validation: float, test: float, seed: int) -> tuple[Rows, ...]:
    """Divides what each institution holds; fractions are of all its examples.

    A part that is asked for (its fraction is above 0) gets at least one example, and so does train. Each class is
    divided by the same fractions, to within one example. Examples that define an objective are in all three parts.
    """
    if dataset.objective:
        return tuple(Rows(rows, rows, rows) for rows in map(np.sort, assignment.indices))
    divided = []
    for i, (name, rows) in enumerate(zip(assignment.names, assignment.indices, strict=True)):
        sizes = _sizes(name, len(rows), validation, test)
        classes = dataset.targets[rows] if dataset.classes else np.zeros(len(rows), dtype=np.int64)
        divided.append(_divide(rows, classes, sizes, stream(seed, "split", i)))
    return tuple(divided)


def check_rows(used: np.ndarray, examples: int) -> None:
    """Whether rows of a saved partition fit the data: each example is there, and used once."""
    if used.min(initial=0) < 0 or used.max(initial=0) >= examples:
        raise InputError(
            f"partition: the saved partition names example {used.max()}, but the data has {examples}: other data?"
        )
    if len(np.unique(used)) < len(used):
        raise InputError(
            "partition: the saved partition holds examples twice; it is not one that swarmsim wrote, or one of "
            "vertical data: then write the partition that cut it, and its seed, instead of `saved`"
        )


def _sizes(name: str, m: int, validation: float, test: float) -> tuple[int, int]:
    """Numbers of validation and of test examples."""
    wanted = tuple(max(1, round(fraction * m)) if fraction > 0 else 0 for fraction in (validation, test))
    if m - sum(wanted) < 1:
        raise InputError(
            f"partition: institution {name!r} has {m} examples: {wanted[0]} for validation and {wanted[1]} for test "
            "leave none to train on; use fewer institutions, a larger `minimum`, or smaller `validation` and `test`"
        )
    return wanted


def _divide(rows: np.ndarray, classes: np.ndarray, sizes: tuple[int, int], rng: np.random.Generator) -> Rows:
    """Shuffles within classes, spreads every class evenly over [0, 1], and cuts there.

    Example r of the m_c of class c stands at (r + 1/2) / m_c, so every interval holds its share of every class.
    """
    order = rng.permutation(len(rows))
    position = np.empty(len(rows))
    for c in np.unique(classes):
        own = order[classes[order] == c]
        position[own] = (np.arange(len(own)) + 0.5) / len(own)
    shuffled = rows[order][np.argsort(position[order], kind="stable")]
    validation, test = sizes
    cut = np.split(shuffled, [test, test + validation])
    return Rows(train=np.sort(cut[2]), validation=np.sort(cut[1]), test=np.sort(cut[0]))
