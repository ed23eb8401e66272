"""What the peers' programs share: the work, and the turn they wait for. It needs no more than numpy and torch."""

from __future__ import annotations

import sys

import numpy as np
import torch

__all__ = ["BATCH", "INSTITUTIONS", "LR", "MARK", "ROUNDS", "examples", "gate", "model"]

INSTITUTIONS, EXAMPLES, FEATURES, HIDDEN, CLASSES = 1_000, 64, 64, 128, 10
LR, BATCH = 0.05, 32
ROUNDS = 6  # one that is not timed, and five
MARK = "-- a round is over --"


def examples(i: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Institution i's x [64, 64] and y [64]."""
    rng = np.random.default_rng(i)
    x, y = rng.normal(size=(EXAMPLES, FEATURES)).astype(np.float32), rng.integers(CLASSES, size=EXAMPLES)
    return torch.from_numpy(x), torch.from_numpy(y)


def model() -> torch.nn.Sequential:
    """The MLP 64-128-10."""
    return torch.nn.Sequential(
        torch.nn.Linear(FEATURES, HIDDEN), torch.nn.ReLU(), torch.nn.Linear(HIDDEN, CLASSES)
    )  # fmt: skip


def gate() -> None:
    """Between two rounds: say that one is over (or that all is ready), and wait for the word to go on."""
    print(f"\n{MARK}", flush=True)
    if not sys.stdin.readline():
        raise SystemExit("nobody waits for another round")
