"""The section `pace` of an experiment file: how long institutions compute, in simulated seconds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from swarmsim.rng import stream
from swarmsim.schedule.naming import indices
from swarmsim.types import Arguments

__all__ = ["Pace", "durations", "step_seconds"]


class Pace(Arguments):
    """How long institutions compute, as far as it decides who is on time: simulated seconds."""

    seconds_per_step: float = Field(1.0, gt=0, description="median over institutions and rounds of one local step")
    spread: float = Field(0.0, ge=0, le=10, description="sigma of the lognormal factor that an institution keeps")
    jitter: float = Field(0.0, ge=0, le=10, description="sigma of the lognormal factor drawn in every round")
    slow: dict[str, Annotated[float, Field(gt=0)]] = Field(
        {}, description="factors by name, on top: 10 is ten times as slow, 0.5 twice as fast"
    )


def step_seconds(pace: Pace, names: Sequence[str], rounds: int, seed: int) -> np.ndarray:
    """Seconds of one step [rounds, n]: s slow_i exp(spread z_i) exp(jitter z_ti), with z standard normal.

    InputError for unknown names in `slow`.
    """
    factor = np.ones(len(names))
    factor[indices(list(pace.slow), names, "pace.slow")] = list(pace.slow.values())
    factor *= np.exp(pace.spread * stream(seed, "pace").standard_normal(len(names)))
    seconds = np.tile(pace.seconds_per_step * factor, (rounds, 1))
    if pace.jitter:
        for t in range(rounds):
            seconds[t] *= np.exp(pace.jitter * stream(seed, "pace", t).standard_normal(len(names)))
    return seconds


def durations(pace: Pace, names: Sequence[str], steps: np.ndarray, seed: int) -> np.ndarray:
    """Seconds of a training period [rounds, n], for steps [rounds, n] or, equal for all institutions, [rounds, 1]."""
    return steps * step_seconds(pace, names, len(steps), seed)
