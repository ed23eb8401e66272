"""What other hosts send: taken in the order in which they sent it, and waited for when it is first needed."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

__all__ = ["Arrivals"]


class Arrivals:
    """The incoming side of a transport, whose `receive(host)` waits for the next tree from a host."""

    def __init__(self, receive: Callable[[int], Any]) -> None:
        self._receive = receive
        self._due: dict[int, deque[list]] = defaultdict(deque)  # by host: an empty box for each tree expected of it

    def expect(self, host: int) -> Callable[[], Any]:
        """The tree that a host sends next, behind all that are expected of it already: a function that waits for it."""
        box: list = []
        self._due[host].append(box)

        def tree() -> Any:
            while not box:
                self._due[host].popleft().append(self._receive(host))
            return box[0]

        return tree
