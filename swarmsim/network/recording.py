"""A ledger that also writes down the order of things: the program of a round, as the clock reads it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from swarmsim.clock.operations import Compute, Hold, Operation, Program, Rest, Send, Wait
from swarmsim.network.ledger import Ledger
from swarmsim.schedule.delivery import Delivery

__all__ = ["Recording"]


class Recording(Ledger):
    """What every participant does in a round, each in its own order; all participants on one host."""

    def __init__(self, names: Sequence[str], delivery: Delivery | None = None) -> None:
        super().__init__(delivery)
        self._who = {name: place for place, name in enumerate(names)}
        self._clear()

    def _clear(self) -> None:
        self._operations: list[list[Operation]] = [[] for _ in self._who]
        self._count, self._numbers = 0, {}

    def count(self, src: str, dst: str, kind: str, size: int, messages: int = 1) -> int:
        super().count(src, dst, kind, size, messages)
        number, sender, receiver = self._count, self._who[src], self._who[dst]
        self._operations[sender].append(Send(number, receiver, size, kind))
        self._numbers[sender, receiver] = number
        self._count += 1
        return number

    def waited(self, dst: str, number: int) -> None:
        self._operations[self._who[dst]].append(Wait(number))

    def waited_for_older(self, src: str, dst: str, age: int) -> None:
        sender, receiver = self._who[src], self._who[dst]
        self._operations[receiver].append(Wait((sender, receiver), age))

    def held(self, who: str, until: float) -> None:
        self._operations[self._who[who]].append(Hold(until))

    def computed(self, who: str, flops: int) -> None:
        """Note work at a participant; what it does in one go is one operation."""
        if not flops:
            return
        operations = self._operations[self._who[who]]
        if operations and isinstance(operations[-1], Compute):
            operations[-1] = Compute(operations[-1].flops + flops)
        else:
            operations.append(Compute(flops))

    def program(self, away: Collection[int], late: frozenset[int] = frozenset(), leader: int | None = None) -> Program:
        """The round that was recorded since the last call; who is `away`, and did nothing, rests.

        A leader that is itself late collects and sends while it still trains.
        """
        operations = [
            (Rest(),) if who in away and not done else tuple(done) for who, done in enumerate(self._operations)
        ]
        aside = {}
        if leader in late:
            operations[leader], aside[leader] = _parted(operations[leader])
        made = Program(tuple(operations), tuple(self.take()), self._numbers, late, aside)
        self._clear()
        return made


def _parted(operations: tuple[Operation, ...]) -> tuple[tuple[Operation, ...], tuple[Operation, ...]]:
    """Until the last piece of work, and behind it."""
    behind = max((k + 1 for k, each in enumerate(operations) if isinstance(each, Compute)), default=0)
    return operations[:behind], operations[behind:]
