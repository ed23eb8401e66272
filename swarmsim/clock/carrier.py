"""How long models are on their way, for a protocol that decides by the clock who is in time."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from swarmsim.clock.wires import Wires

__all__ = ["Carrier"]


class Carrier:
    """The wires, and the messages that a model travels in: `sizes` in bytes, in the order in which they are sent."""

    def __init__(self, wires: Wires, sizes: Sequence[int]) -> None:
        self._calm, self._wires, self.sizes = wires, wires.fresh(), [size for size in sizes if size]
        self.messages = len(self.sizes)
        self._taken: dict[tuple, float] = {}  # until when the last merge takes the places of its way

    def clear(self) -> None:
        """A round begins: the last merge may still be on its way; contributions that missed it are sent anew."""
        self._wires = self._calm.fresh()
        self._wires.free |= self._taken

    def move(self, t: int, src: int, dst: int, k: int, stage: int, time: float) -> tuple[float, bool]:
        """When the k-th message, at a place of its way at a time, reaches the next; and whether it is there then."""
        hops = self._wires.route(src, dst)
        following = self._wires.passes(hops, stage, self.sizes[k], self._wires.delay(src, dst, t, k), time)
        return following, stage + 1 == len(hops)

    def broadcast(self, t: int, src: int, receivers: Sequence[int], time: float) -> dict[int, float]:
        """When each receiver has a whole model that is sent to all of them at a time."""
        arrived = dict.fromkeys(receivers, time)
        others = [dst for dst in receivers if dst != src]
        queue = [(time, k * len(others) + place, dst, k, 0) for k in range(self.messages)
                 for place, dst in enumerate(others)]  # fmt: skip
        while queue:
            now, number, dst, k, stage = heapq.heappop(queue)
            following, there = self.move(t, src, dst, k, stage, now)
            if there:
                arrived[dst] = max(arrived[dst], following)
            else:
                heapq.heappush(queue, (following, number, dst, k, stage + 1))
        ways = {hop.place for dst in others for hop in self._wires.route(src, dst)}
        self._taken = {place: until for place, until in self._wires.free.items() if place in ways}
        return arrived

    def alone(self, src: int, dst: int) -> float:
        """Seconds of a whole model that meets nothing on its way."""
        if src == dst or not self.sizes:
            return 0.0
        first, *others = self.sizes
        slowest = min(hop.rate for hop in self._wires.route(src, dst))
        return self._wires.alone(src, dst, first) + sum(others) / slowest
