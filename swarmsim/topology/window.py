"""How many rounds say what a changing topology does."""

from __future__ import annotations

import math

__all__ = ["window"]

SHORTEST = 20


def window(period: int | None, n: int | None) -> int:
    """One period; of graphs that are drawn anew every round the first max(20, ceil(4 log2 n)) rounds."""
    return period or max(SHORTEST, math.ceil(4 * math.log2(max(n or 1, 1))))
