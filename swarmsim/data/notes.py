"""What a reader should know of a federation before training: counts, classes that are missing, scaling."""

from __future__ import annotations

import numpy as np

from swarmsim.data.text import listed
from swarmsim.types import Dataset, Federation, Shard

__all__ = ["describe"]

MOST_LINES = 16  # institutions with a line of their own

RULES = {
    "institution": "gaps and scales: medians, means and deviations of each institution's own training examples",
    "pooled": "gaps and scales: means and deviations of all training examples together; a deployment would take them "
    "from a secure sum of three numbers a column, once, which the ledger does not count",
    "none": "features are used as they are",
}


def describe(dataset: Dataset, federation: Federation, standardize: str) -> tuple[str, ...]:
    """Notes of the source, counts of every institution, one-class parts, what was done to the features."""
    notes = [*dataset.notes, *_counts(federation)]
    if federation.classes:
        notes += _one_class(federation)
    if dataset.objective:
        return (*notes, "train, validation and test are the same: the examples define the objective")
    notes.append(RULES[standardize])
    if federation.external is not None and standardize != "none":
        notes.append(f"external: {len(federation.external)} examples, scaled by all training examples together")
    return tuple(notes)


def _counts(federation: Federation) -> list[str]:
    shards = federation.shards
    if len(shards) <= MOST_LINES:
        return [_line(shard, federation.classes) for shard in shards]
    sizes = [len(shard.train) for shard in shards]
    least, most = shards[int(np.argmin(sizes))], shards[int(np.argmax(sizes))]
    return [
        f"{len(shards)} institutions, {sum(sizes)} training examples, median {int(np.median(sizes))}",
        "smallest: " + _line(least, federation.classes),
        "largest: " + _line(most, federation.classes),
    ]


def _line(shard: Shard, classes: tuple[str, ...]) -> str:
    text = f"{shard.name}: {len(shard.train)} train, {len(shard.validation)} validation, {len(shard.test)} test"
    if not classes:
        return text
    shares = np.bincount(shard.train.y, minlength=len(classes)) / len(shard.train)
    if len(classes) == 2:
        return f"{text}, {shares[1]:.0%} {classes[1]} in train"
    return f"{text}, {np.count_nonzero(shares)} of {len(classes)} classes in train"


def _one_class(federation: Federation) -> list[str]:
    found = []
    for part, meaning in (("train", "they learn one answer"), ("test", "AUROC is undefined there")):
        alone = [shard.name for shard in federation.shards if len(np.unique(getattr(shard, part).y)) == 1]
        if alone:
            found.append(f"one class only in {part} at {len(alone)} institutions ({meaning}): {listed(alone)}")
    return found
