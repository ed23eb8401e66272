"""How a host computes its members: one after another, or packed into one call."""

from __future__ import annotations

from collections.abc import Callable

from swarmsim.network.located import Located

__all__ = ["one_by_one", "packed"]


def one_by_one(f: Callable, here: tuple[int, ...], values: tuple[Located, ...]) -> Located:
    """f for one member after another: the reference."""
    return Located({i: f(*(value.values[i] for value in values)) for i in here})


def packed(f: Callable, here: tuple[int, ...], values: tuple[Located, ...]) -> Located:
    """One call of f for all members with equal shapes; equal to `one_by_one` up to rounding."""
    if not here:
        return Located({})
    if aligned := _aligned(here, values):
        return Located(blocks=[(here, f(*aligned))])
    together = {i: tuple(value.values[i] for value in values) for i in here}
    return Located(blocks=[(members, f(*trees)) for members, trees in Located(together).blocks])


def _aligned(here: tuple[int, ...], values: tuple[Located, ...]) -> list | None:
    """The stacked trees of all values, where each already is one block of exactly these members."""
    blocks = [value.blocks for value in values]
    if all(len(block) == 1 and block[0][0] == here for block in blocks):
        return [block[0][1] for block in blocks]
    return None
