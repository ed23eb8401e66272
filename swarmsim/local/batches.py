"""Which examples an institution takes in which step."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["Batches", "plan"]


def plan(size: int, batch: int | None, steps: int | None, epochs: int | None, rng: np.random.Generator) -> list:
    """Index arrays, one a step, for a shard of `size` examples.

    An epoch visits every example once in a fresh order; its last batch is ragged. `epochs` gives that many whole
    epochs; `steps` gives that many batches, through as many epochs as it takes. `batch=None` is the full shard, in
    its own order. An institution without examples takes no step.
    """
    if size == 0:
        return []
    if batch is None:
        return [np.arange(size)] * (steps or epochs or 1)
    per_epoch = -(-size // batch)
    count = steps if steps is not None else (epochs or 1) * per_epoch
    orders = [rng.permutation(size) for _ in range(-(-count // per_epoch))]
    batches = [order[k : k + batch] for order in orders for k in range(0, size, batch)]
    return batches[:count]


class Batches:
    """The batches of one institution's round, `batches[k]` being (x, y) of the k-th.

    The examples of the next one can be fetched `ahead`, while others compute; whether they were changes no bit.
    """

    def __init__(self, examples: tuple[Any, Any], indices: list) -> None:
        self._examples, self._indices, self._ready = examples, indices, {}

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, k: int) -> tuple[Any, Any]:
        return self._ready.pop(k, None) or self._fetch(k)

    def ahead(self, k: int) -> None:
        """Fetch the k-th batch now, if there is one."""
        if k < len(self._indices):
            self._ready[k] = self._fetch(k)

    def _fetch(self, k: int) -> tuple[Any, Any]:
        x, y = self._examples
        return x[self._indices[k]], y[self._indices[k]]
