"""Which examples an institution takes in which step."""

from __future__ import annotations

import numpy as np

__all__ = ["plan"]


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
