"""What methods do under each key of the section `faults`, in sentences that they share."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "ALONE", "AT_ONCE", "DELAYED", "DELIVERED", "LINKS", "NO_MIXING", "PACE", "QUORUM", "RESENT", "SERVED", "Words",
    "away",
]  # fmt: skip

Words = Mapping[str, str]  # key of `faults` -> what a method does under it, or why it is refused


def away(said: str, servers: str = "") -> dict[str, str]:
    """What becomes of those who are away, and (`down` may name them) of a server that is."""
    words = f"who is away keeps what it has, and sends and receives nothing; {said}"
    outage = {"down": f"{words}; a server that is down: {servers}"} if servers else {}
    return {"participation": words, "churn": words, "down": words} | outage


QUORUM: Words = {"quorum": "a round with too few institutions awake changes nothing, or the run is refused"}
PACE: Words = {
    "stragglers": "costs simulated seconds; no result depends on it",
    "straggling": "costs simulated seconds; no result depends on it",
}
DELIVERED: Words = {
    "duplication": "the second copy costs bytes and is thrown away",
    "reordering": "costs simulated seconds; a receiver waits, and uses messages in the order in which they were sent",
}
RESENT: Words = {"link_loss": "a message is sent again until it arrives, which costs bytes and simulated seconds"}
LINKS: Words = {
    "link_loss": "what is lost is not waited for; its weight goes where lost_weight says",
    "partitions": "nothing crosses between the sides, each of which goes on by itself",
    "lost_weight": "self, the receiver's own value; sender is refused: models would shrink and grow",
}
DELAYED: Words = {"delay": "values arrive rounds later, and are merged when they do"}

# Why not.
NO_MIXING: Words = {"lost_weight": "no mixing matrix has a message's weight"}
AT_ONCE: Words = {"delay": "its rounds wait for all of their messages; use reordering, which costs seconds"}
SERVED: Words = {
    **NO_MIXING, **AT_ONCE, "partitions": "without its server nobody goes on: use down for those who do not reach it",
}  # fmt: skip
ALONE: Words = {
    **dict.fromkeys(("link_loss", "partitions", "delay", "duplication", "reordering"), "it sends no messages"),
    **NO_MIXING,
}
