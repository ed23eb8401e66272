"""What a schedule holds that somebody reading a run should know: lines of events.csv, rounds from 1."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from swarmsim.schedule.faults import Faults
from swarmsim.types import Event, Schedule, Traffic

__all__ = [
    "delivery_events", "link_events", "outage_events", "presence_events", "quorum_events", "slow_events",
    "sorted_events", "split_events",
]  # fmt: skip

EVERYBODY = "all"


def sorted_events(events: Iterable[Event]) -> tuple[Event, ...]:
    """By round; those of one round in the order given."""
    return tuple(sorted(events, key=lambda event: event.round))


def presence_events(there: Mapping[str, np.ndarray], names: Sequence[str]) -> Iterator[Event]:
    """`down` and `up` whenever an institution goes and comes back, with the first cause that keeps it away."""
    if not there:
        return
    awake = np.logical_and.reduce(list(there.values()))
    for t, i in _changes(awake, True):
        cause = "" if awake[t, i] else next(name for name, up in there.items() if not up[t, i])
        yield Event(t + 1, "up" if awake[t, i] else "down", names[i], cause)
    for t in np.flatnonzero(~awake.any(1)).tolist():
        yield Event(t + 1, "nobody", EVERYBODY, "nobody is awake")


def outage_events(up: np.ndarray | None, servers: Sequence[str]) -> Iterator[Event]:
    """`down` and `up` of servers."""
    for t, k in _changes(up, True) if up is not None else ():
        yield Event(t + 1, "up" if up[t, k] else "down", servers[k], "" if up[t, k] else "planned")


def quorum_events(short: np.ndarray | None, active: np.ndarray | None, needed: int) -> Iterator[Event]:
    """`no quorum` in every round with fewer institutions awake than needed."""
    for t in np.flatnonzero(short).tolist() if short is not None else ():
        there, n = int(active[t].sum()), active.shape[1]
        yield Event(t + 1, "no quorum", EVERYBODY, f"{there} of {n} are awake, and {needed} are needed")


def slow_events(factors: np.ndarray | None, names: Sequence[str]) -> Iterator[Event]:
    """`slow`, with its factor, whenever that of an institution changes; `on pace` when it is as usual again."""
    for t, i in _changes(factors, 1.0) if factors is not None else ():
        factor = float(factors[t, i])
        what, detail = ("on pace", "") if factor == 1 else ("slow", f"{factor:g} times as long")
        yield Event(t + 1, what, names[i], detail)


def delivery_events(traffic: Iterable[Traffic], resends: bool) -> Iterator[Event]:
    """`sent again` and `twice`: how many of a round's messages were lost and repeated, and arrived in two copies.

    traffic: the ledger of one or more rounds. Where nothing is sent again, what is lost is in `link_events`.
    """
    counts: dict[tuple[int, str], int] = {}
    for line in traffic:
        what = "sent again" if "lost_" in line.kind and resends else "twice" if "copy_" in line.kind else ""
        if what:
            counts[line.round, what] = counts.get((line.round, what), 0) + line.messages
    for (round_, what), count in sorted(counts.items()):
        yield Event(round_, what, EVERYBODY, f"{count} messages" if count > 1 else "1 message")


def _changes(values: np.ndarray, usual: bool | float) -> list[list[int]]:
    """[t, i] of every value [rounds, n] that is another than in the round before, or than usual in the first."""
    before = np.vstack([np.full((1, values.shape[1]), usual, dtype=values.dtype), values[:-1]])
    return np.argwhere(values != before).tolist()


def split_events(faults: Faults, names: Sequence[str]) -> Iterator[Event]:
    """`parted` and `healed` of the network, with its groups."""
    for parted in faults.partitions:
        named = {name for group in parted.groups for name in group}
        rest = tuple(name for name in names if name not in named)
        groups = " | ".join(", ".join(group) for group in (*parted.groups, rest) if group)
        yield Event(parted.first, "parted", EVERYBODY, groups)
        if parted.until is not None:
            yield Event(parted.until, "healed", EVERYBODY, groups)


def link_events(calm: Schedule, made: Schedule, names: Sequence[str], awake: np.ndarray | None) -> Iterator[Event]:
    """`lost`: from whom messages did not arrive; `isolated`: awake with neighbours, none of whom was heard.

    `names` and `awake` are those of the nodes of the topology.
    """
    for t, k in enumerate(made.which.tolist()):
        missed: dict[int, list[str]] = {}
        for src, dst in made.lost.get(t, ()):
            missed.setdefault(dst, []).append(names[src])
        for dst, senders in missed.items():
            yield Event(t + 1, "lost", names[dst], f"from {', '.join(senders)}")
        base = calm.mixings[calm.which[min(t, len(calm.which) - 1)]]
        alone = (np.diff(base.starts) > 1) & (np.diff(made.mixings[k].starts) == 1)
        if awake is not None:
            alone &= awake[t]
        for i in np.flatnonzero(alone).tolist():
            yield Event(t + 1, "isolated", names[i], "hears nobody")
