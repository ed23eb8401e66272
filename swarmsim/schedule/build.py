"""The entry: from what happens without faults to what happens with them, for every round."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from swarmsim.schedule.awake import causes, outages, too_few
from swarmsim.schedule.delivery import Delivery
from swarmsim.schedule.events import (
    link_events,
    outage_events,
    presence_events,
    quorum_events,
    slow_events,
    sorted_events,
    split_events,
)
from swarmsim.schedule.faults import Faults
from swarmsim.schedule.links import WIDE, ages, losses, sides
from swarmsim.schedule.slowdown import slowdown
from swarmsim.schedule.weights import arcs, check_conserves, without
from swarmsim.types import Event, InputError, Schedule

__all__ = ["Servers", "schedule"]

MOST = 50_000_000  # numbers that a schedule may hold: 400 MB


@dataclass(frozen=True)
class Servers:
    """The servers of a method as `faults` may name them, and the members of its server group that each of them is.

    `mix`: whether the nodes of the topology are these members, and not the institutions.
    """

    named: Mapping[str, Sequence[int]]
    mix: bool = False

    def expanded(self, up: np.ndarray | None) -> np.ndarray | None:
        """[rounds, names] -> [rounds, members]; a member with two names is there if both are."""
        if up is None:
            return None
        found = np.ones((len(up), 1 + max(max(members) for members in self.named.values())), dtype=bool)
        for k, members in enumerate(self.named.values()):
            found[:, list(members)] &= up[:, [k]]
        return found


NONE = Servers({})


def schedule(
    calm: Schedule, faults: Faults | None, names: Sequence[str], rounds: int, seed: int, servers: Servers = NONE,
    resends: bool = False,
) -> tuple[Schedule, tuple[Event, ...]]:  # fmt: skip
    """The schedule of a run with its faults, and what happens in it, in order.

    calm: `mixings` and `which` as the topology gives them (any value with these two; without mixings only presence is
    computed). A time-varying topology goes on with the rounds, whoever sleeps. Messages to and from institutions that
    sleep, and between the sides of a parted network, are not sent; those in `lost` are, and do not arrive; the weight
    of all of them goes where `lost_weight` says. An institution that sleeps keeps its row and column of the identity;
    one that hears nobody goes on alone. Rounds in which the same happens share one W. In a round without its quorum
    everybody sleeps. With `resends` lost messages are sent until they arrive, so that no W knows of them.
    InputError for unknown institutions, and for faults of links where there are none.
    """
    if faults is None:
        return Schedule(calm.mixings, calm.which), ()
    Delivery.of(faults, seed, resends)  # refuses a loss of every attempt
    there, short, active = _present(faults, names, rounds, seed, servers)
    up = outages(faults, names, rounds, tuple(servers.named))
    apart = sides(faults, names, rounds)
    said = [*presence_events(there, names), *outage_events(up, tuple(servers.named)), *split_events(faults, names)]
    if short is not None and short.any():
        said += quorum_events(short, active, faults.quorum.min)
        active = active & ~short[:, None]
    said += slow_events(slowdown(faults, names, rounds, seed), names)
    link_loss = None if resends else faults.link_loss
    members = servers.expanded(up)
    if not calm.mixings:
        if link_loss or faults.delay:
            raise InputError("faults: link_loss and delay belong to the links of a topology, and there is none")
        return Schedule(active=active, servers_up=members), sorted_events(said)
    made, awake = Schedule(calm.mixings, calm.which), members if servers.mix else active
    if awake is not None or apart is not None or link_loss:
        made = _Links(calm, faults.model_copy(update={"link_loss": link_loss}), rounds, seed).acting(awake, apart)
        said += link_events(calm, made, _nodes(servers) if servers.mix else names, awake)
    if faults.delay and faults.delay.use != "clock":
        made = replace(made, ages=_all_ages(made, faults, rounds, seed))
    return replace(made, active=active, servers_up=members), sorted_events(said)


def _present(faults: Faults, names: Sequence[str], rounds: int, seed: int, servers: Servers) -> tuple:
    """(who is there by each cause, rounds without a quorum, who is awake, whether or not there is a quorum)"""
    there = causes(faults, names, rounds, seed, tuple(servers.named))
    active = np.logical_and.reduce(list(there.values())) if there else None
    return there, too_few(faults, active, len(names), rounds), active


def _nodes(servers: Servers) -> list[str]:
    """The names of single members of the server group, in their order."""
    alone = {members[0]: name for name, members in servers.named.items() if len(members) == 1}
    return [alone[k] for k in sorted(alone)]


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
        return Schedule(tuple(mixings), which, lost=lost)

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
