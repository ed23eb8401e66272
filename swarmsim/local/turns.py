"""Weights that travel from turn to turn: who sends them on when somebody is away."""

from __future__ import annotations

from collections.abc import Collection, Sequence

__all__ = ["passed", "sender"]


def sender(had: Sequence[int], there: Collection[int], receiver: int) -> int | None:
    """Who sends the weights to the next turn: the last one who had them and is there.

    had: those who had them, the latest last. None where that is the receiver itself, or nobody: it goes on from what
    it has. So nobody waits for a holder that went away; what was learned in its last turn comes back with nobody.
    """
    found = next((i for i in reversed(had) if i in there), receiver)
    return None if found == receiver else found


def passed(had: Sequence[int], receiver: int) -> list[int]:
    """Those who had the weights, once the receiver has them."""
    return [*(i for i in had if i != receiver), receiver]
