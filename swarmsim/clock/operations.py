"""What participants do in a round, in the order of the program: computing, sending, waiting.

Participants are numbers: the institutions in their order, then the servers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from swarmsim.types import Traffic

__all__ = ["Compute", "Hold", "Operation", "Program", "Rest", "Send", "Wait"]


class Compute(NamedTuple):
    """So many FLOPs at one participant."""

    flops: int


class Send(NamedTuple):
    """A message leaves; its sender goes on at once. `number` is its place among those of the round."""

    number: int
    dst: int
    size: int
    kind: str


class Wait(NamedTuple):
    """Go on when a message is here: one of this round, or the last one between a pair (src, dst) `age` rounds ago."""

    number: int | tuple[int, int]
    age: int = 0


class Hold(NamedTuple):
    """Go on no earlier than at a time [seconds since the start]: a protocol waits for who is still to come."""

    until: float


class Rest(NamedTuple):
    """Be away until the round is over for those who are there."""


Operation = Compute | Send | Wait | Hold | Rest


@dataclass(frozen=True)
class Program:
    """One round: the operations of each participant, its messages in the ledger, and which message goes where.

    `numbers` gives the last message of each pair (src, dst), for those who wait for it in a later round. The round does
    not last until those who are `late` have done their part of it. `aside` is what somebody does beside its own part.
    """

    operations: tuple[tuple[Operation, ...], ...]
    traffic: tuple[Traffic, ...] = ()
    numbers: Mapping[tuple[int, int], int] = field(default_factory=dict)
    late: frozenset[int] = frozenset()
    aside: Mapping[int, tuple[Operation, ...]] = field(default_factory=dict)

    def flops(self) -> list[int]:
        """Of every participant."""
        return [sum(each.flops for each in done if isinstance(each, Compute)) for done in self.operations]
