"""A few small pictures for three institutions."""

from __future__ import annotations

import numpy as np

from swarmsim.types import Part, Shard

__all__ = ["pictures"]


def pictures(sizes: tuple[int, ...] = (12, 7, 9), side: int = 8, channels: int = 2) -> list[Shard]:
    """Noise with a class in its brightness; the sizes leave ragged last batches of 5."""
    rng = np.random.default_rng(0)

    def part(m: int) -> Part:
        y = rng.integers(3, size=m)
        y[:3] = [0, 1, 2]
        return Part((rng.normal(size=(m, channels, side, side)) + y[:, None, None, None]).astype(np.float32), y)

    return [Shard(f"institution-{i}", part(m), part(4), part(6)) for i, m in enumerate(sizes)]
