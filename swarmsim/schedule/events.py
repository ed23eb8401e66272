"""What a schedule holds that somebody reading a run should know: lines of events.csv, rounds from 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from swarmsim.schedule.faults import Faults
from swarmsim.types import Event, Schedule

__all__ = ["link_events", "presence_events", "sorted_events", "split_events"]

EVERYBODY = "all"


def sorted_events(events: Iterable[Event]) -> tuple[Event, ...]:
    """By round; those of one round in the order given."""
    return tuple(sorted(events, key=lambda event: event.round))


def presence_events(there: Mapping[str, np.ndarray], names: Sequence[str]) -> Iterator[Event]:
    """`down` and `up` whenever an institution goes and comes back, with the first cause that keeps it away."""
    if not there:
        return
    awake = np.logical_and.reduce(list(there.values()))
    before = np.vstack([np.ones((1, len(names)), dtype=bool), awake[:-1]])
    for t, i in np.argwhere(awake != before).tolist():
        cause = "" if awake[t, i] else next(name for name, up in there.items() if not up[t, i])
        yield Event(t + 1, "up" if awake[t, i] else "down", names[i], cause)
    for t in np.flatnonzero(~awake.any(1)).tolist():
        yield Event(t + 1, "nobody", EVERYBODY, "nobody is awake")


def split_events(faults: Faults, names: Sequence[str]) -> Iterator[Event]:
    """`parted` and `healed` of the network, with its groups."""
    for parted in faults.partitions:
        named = {name for group in parted.groups for name in group}
        rest = tuple(name for name in names if name not in named)
        groups = " | ".join(", ".join(group) for group in (*parted.groups, rest) if group)
        yield Event(parted.first, "parted", EVERYBODY, groups)
        if parted.until is not None:
            yield Event(parted.until, "healed", EVERYBODY, groups)


def link_events(calm: Schedule, made: Schedule, names: Sequence[str]) -> Iterator[Event]:
    """`lost`: from whom messages did not arrive; `isolated`: awake with neighbours, none of whom was heard."""
    for t, k in enumerate(made.which.tolist()):
        missed: dict[int, list[str]] = {}
        for src, dst in made.lost.get(t, ()):
            missed.setdefault(dst, []).append(names[src])
        for dst, senders in missed.items():
            yield Event(t + 1, "lost", names[dst], f"from {', '.join(senders)}")
        base = calm.mixings[calm.which[min(t, len(calm.which) - 1)]]
        alone = (np.diff(base.starts) > 1) & (np.diff(made.mixings[k].starts) == 1)
        if made.active is not None:
            alone &= made.active[t]
        for i in np.flatnonzero(alone).tolist():
            yield Event(t + 1, "isolated", names[i], "hears nobody")
