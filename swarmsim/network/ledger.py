"""The ledger: every message that left an institution or the server, by round, ends, kind and bytes."""

from __future__ import annotations

from collections import Counter

from swarmsim.schedule.delivery import Delivery
from swarmsim.types import Traffic

__all__ = ["KINDS", "Ledger"]

KINDS = ("weights", "optimizer_state", "buffers", "smashed_data", "cut_gradient", "labels", "control")
_COUNTED = frozenset(f"{prefix}{kind}" for prefix in ("", "eval_", "lost_", "copy_") for kind in KINDS)


class Ledger:
    """Counts at the sender. One host's ledger holds what its own members sent; the driver adds them up.

    Attempts that are lost before a message arrives, and copies that arrive behind it, are counted as lost_ and copy_.
    """

    def __init__(self, delivery: Delivery | None = None) -> None:
        self.round, self._delivery = 0, delivery
        self._sent: Counter[tuple[int, str, str]] = Counter()
        self._lines: dict[tuple[int, str, str, str], list[int]] = {}

    def count(self, src: str, dst: str, kind: str, size: int, messages: int = 1) -> int:
        """Note messages of `size` bytes in all; the number of the last of them, where somebody numbers them."""
        if kind not in _COUNTED:
            raise ValueError(f"ledger: no kind {kind!r}; kinds: {', '.join(KINDS)}")
        self._add(src, dst, kind, size, messages)
        if self._delivery is not None and not kind.startswith("eval_"):
            self._add_fate(src, dst, kind, size)
        return 0

    def _add(self, src: str, dst: str, kind: str, size: int, messages: int) -> None:
        if messages:
            line = self._lines.setdefault((self.round, src, dst, kind), [0, 0])
            line[0] += messages
            line[1] += size

    def _add_fate(self, src: str, dst: str, kind: str, size: int) -> None:
        """What befalls the next message between two: one that the schedule lost has nothing more to fear."""
        link = self.round, src, dst
        k = self._sent[link]
        self._sent[link] += 1
        if not kind.startswith("lost_"):
            for prefix, count in (("lost", self._delivery.lost(*link, k)), ("copy", self._delivery.copies(*link, k))):
                self._add(src, dst, f"{prefix}_{kind}", size * count, count)

    def waited(self, dst: str, number: int) -> None:
        """Note that the receiver goes on when a message is there."""

    def waited_for_older(self, src: str, dst: str, age: int) -> None:
        """Note that the receiver goes on when the message is there that was sent `age` rounds ago."""

    def held(self, who: str, until: float) -> None:
        """Note that somebody goes on no earlier than at a time [simulated seconds]."""

    def take(self) -> list[Traffic]:
        """What was counted since the last call, sorted."""
        lines, self._lines = self._lines, {}
        self._sent.clear()
        return [Traffic(*entry, *lines[entry]) for entry in sorted(lines)]
