"""Random numbers with a position: what is drawn for one institution or link does not depend on the others."""

from __future__ import annotations

import numpy as np

from swarmsim.rng import seed_for

__all__ = ["split_mix", "uniforms"]


def uniforms(positions: np.ndarray, seed: int, purpose: str, *address: int | str) -> np.ndarray:
    """A number in [0, 1) for each position, given by (seed, purpose, address, position) alone."""
    return (split_mix(seed_for(seed, purpose, *address), positions) >> np.uint64(11)) * 2.0**-53


def split_mix(key: int, positions: np.ndarray) -> np.ndarray:
    """The outputs of SplitMix64 seeded with `key` at some positions (0: its first), as uint64.

    Reference: Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014.
    """
    z = np.uint64(key) + (positions.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
