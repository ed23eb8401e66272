"""Simulated time in words: lengths in units that read well, and what a run waited for, in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from swarmsim.clock.path import Cause, in_words

__all__ = ["in_seconds", "in_short", "waited_for"]

KINDS = {
    "compute": "computing", "up": "uplinks", "down": "downlinks", "link": "links", "latency": "latency",
    "hold": "waiting for others to come", "rest": "being away",
}  # fmt: skip


def in_seconds(seconds: float) -> str:
    """A length of time: 64 us, 48.2 ms, 12.7 s, 3 min 4 s, 2.1 h, 3.4 d."""
    if not seconds:
        return "0 s"
    if seconds < 59.95:
        size, unit = next(pair for pair in ((1e-6, "us"), (1e-3, "ms"), (1.0, "s")) if seconds < 999.5 * pair[0])
        return f"{seconds / size:.{0 if unit == 'us' else 1}f} {unit}"
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest} s"
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.1f} d"


def waited_for(path: Mapping[Cause, float], names: Sequence[str]) -> str:
    """The longest part of the critical path: `62 % of the time is hospital 3's uplink`; empty where no time passed.

    Where no participant stands out, the kind of work does: `91 % of the time is latency, most of all ...`.
    """
    whole = sum(path.values())
    if not whole:
        return ""
    kinds: Counter[str] = Counter()
    for cause, spent in path.items():
        kinds[cause.what] += spent
    (kind, together), *_ = kinds.most_common(1)
    cause = max((each for each in path if each.what == kind), key=lambda each: path[each])
    if path[cause] >= together / 2:
        return f"{in_short(path[cause] / whole)} of the time is {in_words(cause, names)}"
    alone = f"most of all {in_words(cause, names)} ({in_short(path[cause] / whole)})"
    return f"{in_short(together / whole)} of the time is {KINDS[kind]}, {alone}"


def in_short(share: float) -> str:
    """0.62 -> 62 %."""
    return f"{100 * share:.0f} %"
