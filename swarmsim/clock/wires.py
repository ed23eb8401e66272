"""The way of a message: through the sender's line, the link between the two, and the receiver's line.

Each of the three serves one message after another, in the order in which they reach it. A message reaches the next
piece as late as lets it pass there in one go: so one that is alone arrives latency + bytes / narrowest bandwidth after
it was sent; k of them that reach one line at once arrive one behind the other (incast); and a slow sender takes
nothing from a fast receiver's line but the time that its bytes need there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from swarmsim.clock.lines import Network
from swarmsim.clock.naming import present
from swarmsim.rng import stream

__all__ = ["Hop", "Wires", "wires"]

Edge = tuple[str, str, float | None, float | None]  # src, dst, latency, bandwidth
Place = tuple  # ("up", who), ("link", src, dst) or ("down", who)


class Hop(NamedTuple):
    """A piece of the way: a place that serves one message at a time, and its bytes/second."""

    place: Place
    rate: float


@dataclass
class Wires:
    """Lines [n] by participant, links by pair, and until when each place is taken."""

    latency: np.ndarray
    up: np.ndarray
    down: np.ndarray
    links: dict[tuple[int, int], tuple[float | None, float | None]] = field(default_factory=dict)
    jitter: float = 0.0
    seed: int = 0
    free: dict[Place, float] = field(default_factory=dict)
    routes: dict[tuple[int, int], tuple[Hop, ...]] = field(default_factory=dict)

    def route(self, src: int, dst: int) -> tuple[Hop, ...]:
        """The places that a message passes."""
        if (src, dst) not in self.routes:
            _, bandwidth = self.links.get((src, dst), (None, None))
            ends = Hop(("up", src), float(self.up[src])), Hop(("down", dst), float(self.down[dst]))
            # A link gets its bytes from one uplink: a faster one would let a message pass later, not sooner.
            middle = () if bandwidth is None else (Hop(("link", src, dst), min(bandwidth, ends[0].rate)),)
            self.routes[src, dst] = ends[0], *middle, ends[1]
        return self.routes[src, dst]

    def fresh(self) -> Wires:
        """The same wires before anything is sent."""
        return replace(self, free={})

    def delay(self, src: int, dst: int, t: int, k: int) -> float:
        """Seconds that the first byte of the k-th message between them in round t is on its way."""
        seconds = self._latency(src, dst)
        if not self.jitter:
            return seconds
        drawn = stream(self.seed, "latency", t, src, dst, k).standard_normal()
        return seconds * float(np.exp(self.jitter * drawn))

    def passes(self, hops: Sequence[Hop], stage: int, size: int, delay: float, reached: float) -> float:
        """When a message that reaches a place of its way reaches the next one, or its receiver.

        It is served behind those that reached the place before, and is as late at the next as lets it pass in one go.
        """
        end = self.occupy(hops[stage], size, reached)
        following = end
        if stage + 1 < len(hops):
            following = max(end - size / hops[stage].rate, end - size / hops[stage + 1].rate)
        return following + (delay if stage == 0 else 0.0)

    def occupy(self, hop: Hop, size: int, reached: float) -> float:
        """When a place has let so many bytes through."""
        end = max(reached, self.free.get(hop.place, 0.0)) + size / hop.rate
        self.free[hop.place] = end
        return end

    def alone(self, src: int, dst: int, size: int) -> float:
        """Seconds of a message that meets no other, without jitter: latency + size / narrowest bandwidth."""
        return self._latency(src, dst) + size / min(hop.rate for hop in self.route(src, dst))

    def _latency(self, src: int, dst: int) -> float:
        latency, _ = self.links.get((src, dst), (None, None))
        return float(self.latency[src] + self.latency[dst]) if latency is None else latency


def wires(network: Network, names: Sequence[str], seed: int, edges: Iterable[Edge] = ()) -> Wires:
    """The wires between participants, with the edges of a topology as links, unless `links` says otherwise.

    InputError for names that nobody has.
    """
    present(network.participants, names, "network.participants")
    ends = present((name for link in network.links for name in (link.src, link.dst)), names, "network.links")
    lines = np.array([network.line(name) for name in names], dtype=float).reshape(len(names), 3)
    factor = np.exp(network.spread * stream(seed, "lines").standard_normal(len(names)))
    stands = {name: place for place, name in enumerate(names)}
    found = {}
    here = [link for link in network.links if {link.src, link.dst} <= ends]
    written = [(link.src, link.dst, link.latency, link.bandwidth) for link in here]
    for src, dst, latency, bandwidth in (*edges, *written):
        for pair in ((src, dst), (dst, src)):
            found[tuple(stands[name] for name in pair)] = (latency, bandwidth)
    return Wires(lines[:, 0], lines[:, 1] * factor, lines[:, 2] * factor, found, network.jitter, seed)
