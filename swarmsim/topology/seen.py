"""How well a round, and the rounds before it, mixed: figures beside the curves of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from swarmsim.topology import spectrum
from swarmsim.types import Mixing, Schedule

__all__ = ["Mixed", "Watch"]

GAMMA = 0.95  # the horizon of effective_neighbours, as `swarmsim topology` has it
LARGEST = 300  # institutions, beyond which a round would take longer to describe than to compute


class Mixed(NamedTuple):
    """Of one round: 1 - ||W - J||_2; 1 - ||W_t ... W_{t-p+1} - J||_2^(1/p); effective number of neighbours."""

    spectral_gap: float
    window_gap: float
    effective_neighbours: float


class Watch:
    """The figures of the rounds of a schedule over windows of `length` rounds; what was computed once is kept."""

    def __init__(self, schedule: Schedule, length: int) -> None:
        self._schedule, self._length = schedule, length
        self._gaps: dict[int, float] = {}
        self._windows: dict[tuple[int, ...], tuple[float, float]] = {}

    def at(self, t: int) -> Mixed | None:
        """Round t, from 0; None where institutions do not mix, or are too many."""
        mixings = self._schedule.mixings
        if not mixings or mixings[0].n > LARGEST:
            return None
        which = [int(self._schedule.which[min(k, len(self._schedule.which) - 1)]) for k in self._rounds(t)]
        if which[-1] not in self._gaps:
            self._gaps[which[-1]] = spectrum.spectral_gap(mixings[which[-1]])
        key = tuple(which)
        if key not in self._windows:
            self._windows[key] = _over([mixings[k] for k in key])
        return Mixed(self._gaps[which[-1]], *self._windows[key])

    def _rounds(self, t: int) -> range:
        return range(max(0, t + 1 - self._length), t + 1)


def _over(window: Sequence[Mixing]) -> tuple[float, float]:
    """(mean gain of a round, effective neighbours) of rounds that follow each other."""
    error = spectrum.period_product_error(window)
    gap = 1.0 - (error if error > 1e-12 else 0.0) ** (1 / len(window))
    return gap, spectrum.effective_neighbours(window, GAMMA)
