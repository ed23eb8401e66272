"""Small jobs of every method under a section `faults`, as the timetable of an experiment would make them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from swarmsim.runtime.driver import Inline
from swarmsim.runtime.world import Job
from swarmsim.schedule.build import Servers, schedule
from swarmsim.schedule.delivery import Delivery
from swarmsim.schedule.events import sorted_events
from swarmsim.schedule.faults import Faults
from swarmsim.schedule.presence import merge_events
from swarmsim.schedule.protocol import Protocol
from swarmsim.timetable import planned
from swarmsim.types import Event, Schedule
from tests.comparing import digest
from tests.jobs import blobs
from tests.methods import VARIANTS, names_on_disk, small_job

__all__ = ["CASES", "IDS", "LATE", "PRESETS", "SHARDS", "case_job", "down", "obeying", "rounds_of", "stormy"]

CASES = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]
IDS = [f"{name} {' '.join(map(str, arguments.values()))}".strip() for name, arguments in CASES]
LATE = ("swarm/async_gossip", "swarm/async_dpsgd")  # whose states age, and whose messages arrive, round by round
MODEL = {"batch_norm": True, "dropout": 0.2}
PRESETS = tuple(  # of the one split program, which others of its kind try as well: left to slow tests
    f"split/{name}" for name in ("multi_task", "parallel", "private", "sglr", "splitavg", "splitfed_v2", "splitfed_v3")
)
SHARDS = blobs((20, 12, 25))  # of batches of 16: ragged, and not equally many


def down(who: int | str, first: int = 1, until: int | None = None) -> dict[str, Any]:
    """An entry of `faults.down`."""
    name = who if isinstance(who, str) else f"institution-{who}"
    return {"institution": name, "from": first} | ({"until": until} if until else {})


def case_job(name: str, arguments: dict[str, Any], rounds: int = 4, **options: Any) -> Job:
    """The calm job of a method with dropout and BatchNorm."""
    return small_job(name, arguments, rounds, model=MODEL, **{"shards": SHARDS, **options})


def stormy(work: Job, **written: Any) -> tuple[Job, tuple[Event, ...]]:
    """The same job under these faults, and what its events say."""
    algorithm, section, kind = work.algorithm, Faults.model_validate(written), type(work.algorithm)
    calm = work.schedule if getattr(kind, "mixes", False) else Schedule()
    servers = Servers(algorithm.named_servers(len(work.names)), mix=hasattr(kind, "nodes"))
    calm = replace(calm, plans=())
    made, said = schedule(calm, section, work.names, work.rounds, work.seed, servers, algorithm.resends)
    if isinstance(algorithm, Protocol):
        made = planned(algorithm, made, work.names, work.sizes, work.rounds, work.seed, None, section)
        said = sorted_events([*said, *merge_events(made.plans, work.names)])
    return replace(work, schedule=made, delivery=Delivery.of(section, work.seed, algorithm.resends)), said


def rounds_of(work: Job):
    """Round by round (t, what the round says, {part of the state: hash} before it, the same behind it)."""
    with Inline() as runtime:
        runtime.start(work)
        before = _hashes(runtime.save())
        for t in range(work.rounds):
            (done,) = runtime.advance(t, t + 1)
            after = _hashes(runtime.save())
            yield t, done, before, after
            before = after


def obeying(key: str) -> list[str]:
    """The methods that a fault changes."""
    return [name for name, kind in names_on_disk().items() if key in kind.obeys]


def _hashes(saved: dict[str, Any]) -> dict[str, str]:
    return {key: digest(tree) if "/" in key else repr(tree) for key, tree in saved.items()}
