"""Institutions that compute more slowly than usual, for some rounds or by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swarmsim.schedule.draws import uniforms
from swarmsim.schedule.faults import Faults
from swarmsim.schedule.naming import indices

__all__ = ["slowdown"]


def slowdown(faults: Faults | None, names: Sequence[str], rounds: int, seed: int) -> np.ndarray | None:
    """How many times as long everything takes that institution i computes in round t [rounds, n]; None: as usual.

    The factors of `stragglers` and, where it is drawn with its probability, of `straggling` multiply.
    InputError for unknown institutions.
    """
    if faults is None or not (faults.stragglers or faults.straggling):
        return None
    factors = np.ones((rounds, len(names)))
    given = [each.institution for each in faults.stragglers]
    for each, i in zip(faults.stragglers, indices(given, names, "faults.stragglers"), strict=True):
        factors[each.rounds(rounds), i] *= each.factor
    if faults.straggling is not None:
        everyone = np.arange(len(names))
        for t in range(rounds):
            slow = uniforms(everyone, seed, "straggling", t) < faults.straggling.probability
            factors[t, slow] *= faults.straggling.factor
    return factors
