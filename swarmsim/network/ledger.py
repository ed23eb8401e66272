"""The ledger: every message that left an institution or the server, by round, ends, kind and bytes."""

from __future__ import annotations

from swarmsim.types import Traffic

__all__ = ["KINDS", "Ledger"]

KINDS = ("weights", "optimizer_state", "buffers", "smashed_data", "cut_gradient", "labels", "control")
_COUNTED = frozenset(f"{prefix}{kind}" for prefix in ("", "eval_", "lost_", "eval_lost_") for kind in KINDS)


class Ledger:
    """Counts at the sender. One host's ledger holds what its own members sent; the driver adds them up."""

    def __init__(self) -> None:
        self.round = 0
        self._lines: dict[tuple[int, str, str, str], list[int]] = {}

    def count(self, src: str, dst: str, kind: str, size: int, messages: int = 1) -> None:
        """Note messages of `size` bytes in all."""
        if kind not in _COUNTED:
            raise ValueError(f"ledger: no kind {kind!r}; kinds: {', '.join(KINDS)}")
        line = self._lines.setdefault((self.round, src, dst, kind), [0, 0])
        line[0] += messages
        line[1] += size

    def take(self) -> list[Traffic]:
        """What was counted since the last call, sorted."""
        lines, self._lines = self._lines, {}
        return [Traffic(*entry, *lines[entry]) for entry in sorted(lines)]
