"""The entry: from what happens without faults to what happens with them, for every round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from swarmsim.schedule.awake import causes
from swarmsim.schedule.events import link_events, presence_events, sorted_events, split_events
from swarmsim.schedule.faults import Faults
from swarmsim.schedule.links import WIDE, ages, losses, sides
from swarmsim.schedule.weights import arcs, check_conserves, without
from swarmsim.types import Event, InputError, Schedule

__all__ = ["schedule"]

MOST = 50_000_000  # numbers that a schedule may hold: 400 MB


def schedule(
    calm: Schedule, faults: Faults | None, names: Sequence[str], rounds: int, seed: int
) -> tuple[Schedule, tuple[Event, ...]]:
    """The schedule of a run with its faults, and what happens in it, in order.

    calm: `mixings` and `which` as the topology gives them (any value with these two; without mixings only presence is
    computed). A time-varying topology goes on with the rounds, whoever sleeps. Messages to and from institutions that
    sleep, and between the sides of a parted network, are not sent; those in `lost` are, and do not arrive; the weight
    of all of them goes where `lost_weight` says. An institution that sleeps keeps its row and column of the identity;
    one that hears nobody goes on alone. Rounds in which the same happens share one W.
    InputError for unknown institutions, and for faults of links where there are none.
    """
    if faults is None:
        return Schedule(calm.mixings, calm.which), ()
    there = causes(faults, names, rounds, seed)
    active = np.logical_and.reduce(list(there.values())) if there else None
    apart = sides(faults, names, rounds)
    said = [*presence_events(there, names), *split_events(faults, names)]
    if not calm.mixings:
        if faults.link_loss or faults.delay:
            raise InputError("faults: link_loss and delay belong to the links of a topology, and there is none")
        return Schedule(active=active), sorted_events(said)
    made = Schedule(calm.mixings, calm.which, active)
    if active is not None or apart is not None or faults.link_loss:
        made = _Links(calm, faults, rounds, seed).acting(active, apart)
        said += link_events(calm, made, names)
    if faults.delay:
        made = replace(made, ages=_all_ages(made, faults, rounds, seed))
    return made, sorted_events(said)


class _Links:
    """The messages of a topology, and which of them fail."""

    def __init__(self, calm: Schedule, faults: Faults, rounds: int, seed: int) -> None:
        self.calm, self.faults, self.rounds, self.seed = calm, faults, rounds, seed
        self.arcs = [arcs(mixing) for mixing in calm.mixings]

    def acting(self, active: np.ndarray | None, apart: np.ndarray | None) -> Schedule:
        """W as it acts in every round, each distinct one once."""
        home, mixings, known = self.faults.lost_weight, [], {}
        for mixing in self.calm.mixings:
            check_conserves(mixing, home)
        which, lost, stored = np.empty(self.rounds, dtype=np.int64), {}, 0
        for t, dropped in enumerate(self._drops()):
            k = _base(self.calm, t)
            cut = self._cut(k, None if active is None else active[t], None if apart is None else apart[t])
            dropped = dropped & ~cut
            key = (k, np.packbits(cut | dropped).tobytes())
            if key not in known:
                known[key] = len(mixings)
                mixings.append(without(self.calm.mixings[k], cut | dropped, home))
                stored = _within_memory(stored + len(mixings[-1].weights), t)
            which[t] = known[key]
            if dropped.any():
                src, dst = self.arcs[k]
                lost[t] = tuple(zip(src[dropped].tolist(), dst[dropped].tolist(), strict=True))
        return Schedule(tuple(mixings), which, active, lost)

    def _cut(self, k: int, awake: np.ndarray | None, side: np.ndarray | None) -> np.ndarray:
        """The messages that cannot be sent: an end sleeps, or is on the other side."""
        src, dst = self.arcs[k]
        cut = np.zeros(len(src), dtype=bool)
        if awake is not None:
            cut |= ~(awake[src] & awake[dst]) & (src != dst)
        if side is not None:
            cut |= side[src] != side[dst]
        return cut

    def _drops(self) -> Iterator[np.ndarray]:
        """Round by round the messages that would not arrive; a link has its state even while it is not in use."""
        if self.faults.link_loss is None:
            quiet = [np.zeros(len(src), dtype=bool) for src, _ in self.arcs]
            yield from (quiet[_base(self.calm, t)] for t in range(self.rounds))
            return
        keys = [src * WIDE + dst for src, dst in self.arcs]
        union = np.unique(np.concatenate(keys))
        places, src, dst = [np.searchsorted(union, key) for key in keys], union // WIDE, union % WIDE
        fails = losses(self.faults.link_loss, src, dst, self.rounds, self.seed)
        for t, lost in enumerate(fails):
            yield (lost & (src != dst))[places[_base(self.calm, t)]]


def _base(calm: Schedule, t: int) -> int:
    """Which of the mixings of a topology belongs to round t; the last holds on."""
    return int(calm.which[min(t, len(calm.which) - 1)])


def _all_ages(made: Schedule, faults: Faults, rounds: int, seed: int) -> dict[int, np.ndarray]:
    """Ages of the entries of W in every round but the first, which has nothing older."""
    drawn, stored = {}, 0
    for t in range(1, rounds):
        drawn[t] = ages(faults.delay, *arcs(made.mixings[_base(made, t)]), t, seed)
        stored = _within_memory(stored + len(drawn[t]), t)
    return drawn


def _within_memory(stored: int, t: int) -> int:
    if stored > MOST:
        raise InputError(
            f"faults: until round {t + 1} they make more than {MOST:,} different weights; write fewer rounds, "
            "a sparser topology, or faults that change less often"
        )
    return stored
