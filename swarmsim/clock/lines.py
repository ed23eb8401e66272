"""The section `network` of an experiment file: how participants are connected.

Every participant hangs on a line of its own, up (out of it) and down (into it). What passes between two of them takes
the latencies of both lines, and no longer than the narrowest piece of the way allows. A link between two participants
has a latency and a bandwidth of its own. Units: seconds, bytes, bytes/second.
"""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from swarmsim.types import Arguments

__all__ = ["PRESETS", "Line", "Link", "Network", "Preset"]

Name = Annotated[str, Field(min_length=1)]
Rate = Annotated[float, Field(gt=0, le=1e15)]
Delay = Annotated[float, Field(ge=0, le=3600)]


class Preset(NamedTuple):
    """A kind of line: latency [s] one way to the core of the network, bytes/second up and down."""

    latency: float
    up: float
    down: float


PRESETS = {
    "hospital_dsl": Preset(0.015, 1.25e6, 6.25e6),  # a business line of 50 Mbit/s down and 10 up
    "campus": Preset(0.0005, 1.25e8, 1.25e8),  # 1 Gbit/s within a city
    "backbone": Preset(0.005, 1.25e9, 1.25e9),  # a national research network, 10 Gbit/s
    "wan": Preset(0.04, 1.25e7, 1.25e7),  # 100 Mbit/s across an ocean
}
"""Round figures of what such lines are sold with; none is a measurement."""

Kind = Literal["hospital_dsl", "campus", "backbone", "wan"]


class Line(Arguments):
    """How one participant is connected."""

    preset: Kind | None = Field(None, description="a kind of line, which the other keys change")
    latency: Delay | None = Field(None, description="seconds one way, from it to the core of the network")
    up: Rate | None = Field(None, description="bytes/second out of it, all it sends together")
    down: Rate | None = Field(None, description="bytes/second into it, all it receives together")


class Link(Arguments):
    """What is between two participants, in both directions, instead of what their lines say of latency."""

    src: Name
    dst: Name
    latency: Delay | None = Field(None, description="seconds one way; absent: that of both lines")
    bandwidth: Rate | None = Field(None, description="bytes/second in each direction; absent: that of the lines")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.src == self.dst:
            raise ValueError(f"a link from {self.src!r} to itself: nothing goes over it, leave it out")
        if self.latency is None and self.bandwidth is None:
            raise ValueError("give latency, bandwidth, or both")
        return self


class Network(Line):
    """How participants are connected; the edges of a topology file that have a latency or a bandwidth are links too."""

    preset: Kind | None = Field("campus", description="a kind of line, which the other keys change")
    spread: float = Field(
        0.0, ge=0, le=10, description="sigma of a lognormal factor on up and down that a participant keeps"
    )
    jitter: float = Field(0.0, ge=0, le=10, description="sigma of a lognormal factor on the latency of every message")
    participants: dict[Name, Line] = Field({}, description="{NAME: {up, ...}}: who differs; servers too")
    links: tuple[Link, ...] = Field((), description="[{src, dst, latency, bandwidth}, ...]: over those of the topology")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.preset is None and None in (self.latency, self.up, self.down):
            raise ValueError(f"preset: null needs latency, up and down; or choose a preset: {', '.join(PRESETS)}")
        return self

    def line(self, name: str) -> Preset:
        """The line of a participant, with every figure of it."""
        whole, own = _changed(PRESETS.get(self.preset), self), self.participants.get(name)
        return whole if own is None else _changed(PRESETS.get(own.preset, whole), own)


def _changed(base: Preset | None, by: Line) -> Preset:
    given = (by.latency, by.up, by.down)
    return Preset(*(own if own is not None else other for own, other in zip(given, base or given, strict=True)))
