"""What a reader should know of a federation before training, beside its counts: missing classes, scaling."""

from __future__ import annotations

import numpy as np

from swarmsim.data.text import listed
from swarmsim.types import Dataset, Federation

__all__ = ["describe"]

RULES = {
    "institution": "gaps and scales: medians, means and deviations of each institution's own training examples",
    "pooled": "gaps and scales: means and deviations of all training examples together; a deployment would take them "
    "from a secure sum of three numbers a column, once, which the ledger does not count",
    "none": "features are used as they are",
}
VERTICAL = {
    "institution": "gaps and scales: each column lives at one institution, so `institution` and `pooled` scale alike; "
    "gaps become the medians of its training patients",
    "pooled": "gaps and scales: each column lives at one institution, so `pooled` and `institution` scale alike; gaps "
    "become the means of its training patients, and nothing leaves it",
    "none": "features are used as they are",
}


def describe(dataset: Dataset, federation: Federation, standardize: str) -> tuple[str, ...]:
    """Notes of the source and of the federation, one-class parts, what was done to the features."""
    notes = [*dataset.notes, *federation.notes]
    if federation.classes:
        notes += _one_class(federation)
    if dataset.objective:
        return (*notes, "train, validation and test are the same: the examples define the objective")
    notes.append((VERTICAL if federation.blocks else RULES)[standardize])
    if federation.external is not None and standardize != "none":
        notes.append(f"external: {len(federation.external)} examples, scaled by all training examples together")
    return tuple(notes)


def _one_class(federation: Federation) -> list[str]:
    found = []
    for part, meaning in (("train", "they learn one answer"), ("test", "AUROC is undefined there")):
        alone = [shard.name for shard in federation.shards if len(np.unique(getattr(shard, part).y)) == 1]
        if alone:
            found.append(f"one class only in {part} at {len(alone)} institutions ({meaning}): {listed(alone)}")
    return found
