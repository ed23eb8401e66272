"""Batches in flight: several are on their way up before the first comes down."""

from __future__ import annotations

from collections import deque
from types import ModuleType
from typing import Any

from swarmsim.network.located import Located

__all__ = ["Flights"]


class Flights:
    """At most `most` batches on their way, the oldest landing first; `how` moves them up and down.

    Staleness is the number of steps that were taken between a batch's way up and its way down.
    """

    def __init__(self, most: int, how: ModuleType, world: Any) -> None:
        self._most, self._how, self._world = most, how, world
        self._flying: deque = deque()
        self._landed = 0

    def begin(self, route: Any, state: Any, batches: Located) -> Any:
        """Send a batch up; if as many as allowed are in flight then, the oldest comes down."""
        state, flight = self._how.ascend(route, state, batches)
        self._flying.append((flight, self._landed))
        return self._down(state) if len(self._flying) >= self._most else state

    def land(self, state: Any) -> Any:
        """Wait for every batch in flight."""
        while self._flying:
            state = self._down(state)
        return state

    def _down(self, state: Any) -> Any:
        flight, landed = self._flying.popleft()
        if self._most > 1:
            for i in flight.route.institutions.here:
                self._world.note(self._world.institutions.names[i], "staleness", float(self._landed - landed), 1)
        self._landed += 1
        return self._how.descend(flight, state)
