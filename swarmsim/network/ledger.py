"""The ledger: every message that left an institution or the server, by round, ends, kind and bytes."""

from __future__ import annotations

from collections import Counter

from swarmsim.types import Traffic

__all__ = ["KINDS", "Ledger"]

KINDS = ("weights", "optimizer_state", "buffers", "smashed_data", "cut_gradient", "labels", "control")


class Ledger:
    """Counts at the sender. One host's ledger holds what its own members sent; the driver adds them up."""

    def __init__(self) -> None:
        self.round = 0
        self._messages: Counter = Counter()
        self._bytes: Counter = Counter()

    def count(self, src: str, dst: str, kind: str, size: int, messages: int = 1) -> None:
        """Note messages of `size` bytes in all."""
        if kind.removeprefix("eval_").removeprefix("lost_") not in KINDS:
            raise ValueError(f"ledger: no kind {kind!r}; kinds: {', '.join(KINDS)}")
        entry = (self.round, src, dst, kind)
        self._messages[entry] += messages
        self._bytes[entry] += size

    def take(self) -> list[Traffic]:
        """What was counted since the last call, sorted."""
        lines = [Traffic(*entry, self._messages[entry], self._bytes[entry]) for entry in sorted(self._messages)]
        self._messages.clear()
        self._bytes.clear()
        return lines
