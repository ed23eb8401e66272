"""Leader merges with a pace and faults, as jobs; and a loop over numbers that does what their plans say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from swarmsim.algorithms.swarm.leader_merge import LeaderMerge
from swarmsim.clock.pace import Pace
from swarmsim.clock.times import times
from swarmsim.runtime.world import Job
from swarmsim.schedule.build import schedule
from swarmsim.schedule.faults import Faults
from swarmsim.timetable import planned
from swarmsim.types import Part, Schedule, Shard
from tests.jobs import job

__all__ = ["STORM", "alike", "by_hand", "leader_job", "many", "names"]

STORM = {
    "faults": {
        "churn": {"use": "markov", "mean_up": 6, "mean_down": 2},
        "partitions": [{"groups": [["institution-1", "institution-2"]], "from": 9, "until": 13}],
    },
    "pace": {"spread": 1.0, "jitter": 0.5}, "min_peers": 2, "wait": 0.5, "late": "keep", "age_weight": 0.5,
    "ends": {"institution-3": 20}, "at_end": "keep_snapshot",
}  # fmt: skip


def names(n: int) -> tuple[str, ...]:
    return tuple(f"institution-{i}" for i in range(n))


def many(targets, sizes) -> list[Shard]:
    """Institution i holds its target a_i several times."""
    parts = [Part(np.zeros((m, 1), np.float32), np.full((m, 1), float(a))) for a, m in zip(targets, sizes, strict=True)]
    return [Shard(name, part, part, part) for name, part in zip(names(len(parts)), parts, strict=True)]


def leader_job(shards: list[Shard], rounds: int, pace=None, faults=None, seed: int = 0, **arguments: Any) -> Job:
    """A job of swarm/leader_merge; on the quadratic, and unless told otherwise, a step is x <- (x + a) / 2."""
    given = {key: arguments.pop(key) for key in ("hosts", "model", "packed") if key in arguments}
    algorithm, who = LeaderMerge(**{"lr": 0.5, **arguments}), tuple(shard.name for shard in shards)
    section = None if faults is None else Faults.model_validate(faults)
    calm, _ = schedule(Schedule(), section, who, rounds, seed)
    sizes = [len(shard.train) for shard in shards]
    known = times(Pace(**{"seconds_per_step": 1.0, **(pace or {})}), who, 1.0, sizes, algorithm.batch, seed)
    clockwork = SimpleNamespace(times=known, carrier=lambda: None)  # models take no time
    made = planned(algorithm, calm, who, sizes, rounds, seed, clockwork, section)
    return job(algorithm, shards, schedule=made, rounds=rounds, seed=seed, **given)


def by_hand(work: Job, targets, weights, steps=None) -> np.ndarray:
    """x_i behind every round [rounds, n] of a job on the quadratic: numbers, and nothing of the simulator but plans."""
    x, last, trained, seen = np.zeros(len(targets)), 0.0, {}, []
    for t, plan in enumerate(work.schedule.plans):
        for i in plan.catches_up:
            x[i] = last
        for i in plan.trains:
            x[i] = targets[i] + (x[i] - targets[i]) * 0.5 ** (1 if steps is None else steps[t][i])
            trained[i] = x[i]
        if plan.contributors:
            gone = {i for i, _ in plan.contributors} - set(plan.receivers)
            given = {i: trained[i] if i in gone else x[i] for i, _ in plan.contributors}
            counts = {i: weights[i] * work.algorithm.weight(age) for i, age in plan.contributors}
            last = sum(counts[i] * given[i] for i in given) / sum(counts.values())
            x[list(plan.receivers)] = last
        seen.append(x.copy())
    return np.array(seen)


def alike(merges, plan, who: tuple[str, ...], t: int) -> bool:
    """Whether the one line of merges.csv of round t, from 0, says what the plan says."""
    (line,) = merges
    reasons = [f"{who[i]}: {reason}" for i, reason in plan.left_out] or ["all contributed"]
    reasons += [f"{who[i]}: {age} rounds old" for i, age in plan.contributors if age]
    reasons += [] if plan.deposed is None else [f"instead of {who[plan.deposed]}"]
    return line == (
        t + 1, 0, "" if plan.leader is None else who[plan.leader], tuple(who[i] for i, _ in plan.contributors),
        tuple(who[i] for i, _ in plan.left_out), "; ".join(reasons),
    )  # fmt: skip
