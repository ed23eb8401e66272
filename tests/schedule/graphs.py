"""Mixing matrices and sections for the tests of schedules."""

from __future__ import annotations

import networkx
import numpy as np

from swarmsim.schedule.build import schedule
from swarmsim.schedule.faults import Faults
from swarmsim.types import Mixing, Schedule

__all__ = ["faults", "from_dense", "metropolis", "names", "push", "run", "stacked"]


def names(n):
    return tuple(f"h{i}" for i in range(n))


def faults(**written) -> Faults:
    """The section as it would be read from a file."""
    return Faults.model_validate(written)


def from_dense(w) -> Mixing:
    """W by rows, the diagonal always present."""
    rows, columns = np.nonzero((w != 0) | np.eye(len(w), dtype=bool))
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(w)))])
    return Mixing(len(w), starts, columns, w[rows, columns].astype(float))


def metropolis(graph) -> Mixing:
    """Symmetric and doubly stochastic, written down by hand."""
    n = len(graph)
    w = np.zeros((n, n))
    for i, j in graph.edges:
        w[i, j] = w[j, i] = 1 / (1 + max(graph.degree[i], graph.degree[j]))
    return from_dense(w + np.diag(1 - w.sum(1)))


def push(graph: networkx.DiGraph) -> Mixing:
    """Column-stochastic: j sends 1 / (out-degree + 1) of its mass along each arc."""
    n = len(graph)
    w = np.zeros((n, n))
    for j in graph:
        for i in [j, *graph.successors(j)]:
            w[i, j] = 1 / (graph.out_degree[j] + 1)
    return from_dense(w)


def run(mixing, rounds, seed=0, **written) -> Schedule:
    """One W, or several in turn, under some faults."""
    mixings = mixing if isinstance(mixing, tuple) else (mixing,)
    calm = Schedule(mixings, np.arange(rounds) % len(mixings))
    return schedule(calm, faults(**written), names(mixings[0].n), rounds, seed)[0]


def stacked(made: Schedule, rounds) -> np.ndarray:
    """W of every round [rounds, n, n]."""
    return np.stack([made.tick(t).mixing.dense() for t in range(rounds)])
