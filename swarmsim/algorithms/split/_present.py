"""Who can be served in a round: institutions that are awake, while everybody is there who holds a part for them."""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._chain import Chain, Link
from swarmsim.local.obeying import DELIVERED, PACE, QUORUM, RESENT, SERVED, Words, away
from swarmsim.types import Tick

__all__ = ["REFUSES", "UNDER", "present", "under"]

AWAY = "it has no turn and no part in averages, hand-overs pass it by, and without a holder of a part there is no round"
REFUSES: Words = SERVED


def under(outage: str, said: str = AWAY) -> Words:
    """What the program does under each fault, with these words for a server that is down and for who is away."""
    return {**away(said, outage), **QUORUM, **PACE, **RESENT, **DELIVERED}


UNDER = under("there is no round")


def present(method: Any, chain: Chain, tick: Tick, world: Any) -> list[int]:
    """The institutions that round `tick` can serve, ascending."""
    awake, down = tick.awake(world.institutions.members), frozenset(tick.servers_down)
    shared = [link for link in chain if not link.own]
    if any(link.group == "institution" and link.at not in awake for link in shared):
        return []
    if not down:
        return list(awake)
    return [i for i in awake if not any(_member(method, link, i, world) in down for link in shared)]


def _member(method: Any, link: Link, institution: int, world: Any) -> int | None:
    """The member of the server group that holds a part for an institution."""
    return link.at + method.copy_of(institution, world) if link.group == "server" else None
