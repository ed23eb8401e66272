"""The section `pace` of an experiment file: how long participants compute, in simulated seconds.

Work is measured in FLOPs, whoever computes which part of a model; a participant has a speed in FLOP/s, given, that of a
device, or such that training on one example (or one batch) of the whole model takes the seconds that were written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from swarmsim.clock.naming import present
from swarmsim.rng import stream
from swarmsim.types import Arguments

__all__ = ["DEVICES", "Pace", "Speed", "factors", "rates"]

DEVICES = {"edge": 5e9, "laptop": 5e10, "workstation": 2e11, "gpu": 1e13, "gpu_server": 5e13}
"""Round figures of FLOP/s that training sustains, far below the peak; none is a measurement."""

Name = Annotated[str, Field(min_length=1)]
Positive = Annotated[float, Field(gt=0)]
MEASURES = ("device", "flops_per_second", "seconds_per_sample", "seconds_per_step")


class Speed(Arguments):
    """How fast one participant computes: one of four measures."""

    device: Literal["edge", "laptop", "workstation", "gpu", "gpu_server"] | None = Field(
        None, description="of FLOP/s: " + ", ".join(f"{name} {rate:.0e}" for name, rate in DEVICES.items())
    )
    flops_per_second: Positive | None = Field(None, description="FLOP/s that training sustains")
    seconds_per_sample: Positive | None = Field(None, description="of training the whole model on one example")
    seconds_per_step: Positive | None = Field(None, description="of training the whole model on one full batch")

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = [name for name in MEASURES if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"{', '.join(given)} exclude each other: give one of them")
        return self

    def rate(self, work: float, batch: int) -> float | None:
        """FLOP/s of a participant; work: FLOPs of training the whole model on one example; None: nothing is said."""
        if self.seconds_per_step is not None:
            return work * batch / self.seconds_per_step
        if self.seconds_per_sample is not None:
            return work / self.seconds_per_sample
        return self.flops_per_second if self.device is None else DEVICES[self.device]


class Pace(Speed):
    """How fast everybody computes; with none of the four measures, like a workstation."""

    spread: float = Field(0.0, ge=0, le=10, description="sigma of the lognormal factor that a participant keeps")
    jitter: float = Field(0.0, ge=0, le=10, description="sigma of the lognormal factor drawn in every round")
    slow: dict[Name, Positive] = Field(
        {}, description="factors by name, on top: 10 is ten times as slow, 0.5 twice as fast"
    )
    participants: dict[Name, Speed] = Field({}, description="{NAME: {device, ...}}: who differs; servers too")


def rates(pace: Pace, names: Sequence[str], work: float, batches: Sequence[int], seed: int) -> np.ndarray:
    """FLOP/s of each participant [n]: rate_i / (slow_i exp(spread z_i)), with z standard normal.

    work: FLOPs of training the whole model on one example; batches: examples of each participant's full batch.
    InputError for names that nobody has.
    """
    for key in ("slow", "participants"):
        present(getattr(pace, key), names, f"pace.{key}")
    found = np.empty(len(names))
    for place, (name, batch) in enumerate(zip(names, batches, strict=True)):
        own = pace.participants[name].rate(work, batch) if name in pace.participants else None
        found[place] = (own or pace.rate(work, batch) or DEVICES["workstation"]) / pace.slow.get(name, 1.0)
    return found / np.exp(pace.spread * stream(seed, "pace").standard_normal(len(names)))


def factors(pace: Pace, n: int, t: int, seed: int) -> np.ndarray | None:
    """What the seconds of each participant are multiplied by in round t [n]: exp(jitter z); None: 1 everywhere."""
    return np.exp(pace.jitter * stream(seed, "pace", t).standard_normal(n)) if pace.jitter else None
