"""Who is awake in which round, why the others are not, and which servers are there. Arrays are [rounds, n], bool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from swarmsim.schedule.draws import uniforms
from swarmsim.schedule.faults import Churn, Faults
from swarmsim.schedule.naming import indices
from swarmsim.schedule.trace import traced
from swarmsim.types import InputError

__all__ = ["causes", "outages", "too_few"]


def causes(
    faults: Faults, names: Sequence[str], rounds: int, seed: int, servers: Sequence[str] = ()
) -> Mapping[str, np.ndarray]:
    """For each cause of absence in force, who is there as far as it goes; awake is who is there by all of them.

    planned: `down`, which may name servers too; churn: Markov or a trace; not drawn: `participation`, which draws
    among those that are there by the others, a share of them rounded to the nearest number, but at least one.
    """
    found = {}
    planned = _planned(faults, names, rounds, servers)[:, : len(names)]
    if not planned.all():
        found["planned"] = planned
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


def outages(faults: Faults, names: Sequence[str], rounds: int, servers: Sequence[str]) -> np.ndarray | None:
    """Which of the servers are there [rounds, servers]; None: all, always."""
    up = _planned(faults, names, rounds, servers)[:, len(names) :]
    return None if up.all() else up


def too_few(faults: Faults, active: np.ndarray | None, n: int, rounds: int) -> np.ndarray | None:
    """In which rounds [rounds] fewer institutions are awake than the quorum; None without one.

    InputError for a quorum above n, and for such a round where it stops the run.
    """
    quorum = faults.quorum
    if quorum is None:
        return None
    if quorum.min > n:
        raise InputError(f"faults.quorum: min {quorum.min} is more than the {n} institutions; write {n} or less")
    counts = np.full(rounds, n) if active is None else active.sum(1)
    short = counts < quorum.min
    if quorum.otherwise == "stop" and short.any():
        t = int(short.argmax())
        raise InputError(
            f"faults.quorum: in round {t + 1} {counts[t]} of {n} institutions are awake, and min is {quorum.min}; "
            "write otherwise: skip to go on with a round that changes nothing, or a smaller min"
        )
    return short


def _planned(faults: Faults, names: Sequence[str], rounds: int, servers: Sequence[str]) -> np.ndarray:
    up = np.ones((rounds, len(names) + len(servers)), dtype=bool)
    given = [down.institution for down in faults.down]
    for down, i in zip(faults.down, indices(given, names, "faults.down", servers), strict=True):
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
