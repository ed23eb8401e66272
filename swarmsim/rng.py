"""Addressed randomness: every random number has a name, none is consumed from a shared generator.

    stream(seed, "batches", round, institution)

gives the same numbers whatever else was drawn, in whatever order, in whatever process. The address is
hashed with SHA-256, so that no two addresses collide the way `seed + round` does.
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["seed_for", "stream"]


def seed_for(seed: int, purpose: str, *address: int | str) -> int:
    """The 63-bit seed that belongs to an address."""
    text = repr((seed, purpose, *address)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") >> 1


def stream(seed: int, purpose: str, *address: int | str) -> np.random.Generator:
    """A fresh numpy generator for an address such as `(seed, "batches", round, institution)`."""
    return np.random.Generator(np.random.PCG64(seed_for(seed, purpose, *address)))
