"""Who is awake in which round, and why the others are not. Arrays are [rounds, n], bool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from swarmsim.schedule.draws import uniforms
from swarmsim.schedule.faults import Churn, Faults
from swarmsim.schedule.naming import indices
from swarmsim.schedule.trace import traced

__all__ = ["causes"]


def causes(faults: Faults, names: Sequence[str], rounds: int, seed: int) -> Mapping[str, np.ndarray]:
    """For each cause of absence in force, who is there as far as it goes; awake is who is there by all of them.

    planned: `down`; churn: Markov or a trace; not drawn: `participation`, which draws among those that are there by
    the others, a share of them rounded to the nearest number, but at least one.
    """
    found = {}
    if faults.down:
        found["planned"] = _planned(faults, names, rounds)
    if faults.churn is not None:
        found["churn"] = (
            traced(faults.churn, names, rounds)
            if faults.churn.use == "trace"
            else _markov(faults.churn, len(names), rounds, seed)
        )
    if faults.participation < 1:
        there = np.logical_and.reduce(list(found.values())) if found else np.ones((rounds, len(names)), dtype=bool)
        found["not drawn"] = _drawn(faults.participation, there, seed)
    return found


def _planned(faults: Faults, names: Sequence[str], rounds: int) -> np.ndarray:
    up = np.ones((rounds, len(names)), dtype=bool)
    for down, i in zip(faults.down, indices([d.institution for d in faults.down], names, "faults.down"), strict=True):
        up[down.rounds(rounds), i] = False
    return up


def _markov(churn: Churn, n: int, rounds: int, seed: int) -> np.ndarray:
    """Each institution by itself: awake -> away with probability 1/mean_up, away -> awake with 1/mean_down.

    The share of rounds awake tends to mean_up / (mean_up + mean_down); runs are geometric with these means.
    """
    start = churn.mean_up / (churn.mean_up + churn.mean_down) if churn.start_up is None else churn.start_up
    up, everyone = np.empty((rounds, n), dtype=bool), np.arange(n)
    for t in range(rounds):
        u = uniforms(everyone, seed, "churn", t)
        up[t] = u < (start if t == 0 else np.where(up[t - 1], 1 - 1 / churn.mean_up, 1 / churn.mean_down))
    return up


def _drawn(share: float, there: np.ndarray, seed: int) -> np.ndarray:
    drawn, everyone = np.ones_like(there), np.arange(there.shape[1])
    for t, here in enumerate(there):
        rank = np.argsort(np.where(here, uniforms(everyone, seed, "participation", t), 1.0), kind="stable")
        drawn[t, rank[max(1, round(share * here.sum())) :]] = False
    return drawn
