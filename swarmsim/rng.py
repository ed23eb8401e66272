"""Addressed randomness: every random number has a name, none is consumed from a shared generator.

    stream(seed, "batches", round, institution)

gives the same numbers whatever else was drawn, in whatever order, in whatever process. The address is
hashed with SHA-256, so that no two addresses collide the way `seed + round` does, and the hash is the key of a
counter-based generator (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, SC 2011).
"""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["seed_for", "stream"]


def seed_for(seed: int, purpose: str, *address: int | str) -> int:
    """The 63-bit seed that belongs to an address."""
    return int.from_bytes(_digest(seed, purpose, *address)[:8], "little") >> 1


def stream(seed: int, purpose: str, *address: int | str) -> np.random.Generator:
    """A fresh numpy generator for an address such as `(seed, "batches", round, institution)`."""
    key = np.frombuffer(_digest(seed, purpose, *address)[:16], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))


def _digest(*address: int | str) -> bytes:
    plain = tuple(part if isinstance(part, str) else int(part) for part in address)  # numpy's integers are integers
    return hashlib.sha256(repr(plain).encode()).digest()
