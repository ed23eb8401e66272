"""The dry run: every message and every second of an experiment, without training: `swarmsim plan`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.assemble import assemble, federation_of, hosts_of
from swarmsim.clock.account import Account
from swarmsim.clock.trace_events import trace
from swarmsim.schedule.events import delivery_events
from swarmsim.types import Federation, InputError, Traffic

if TYPE_CHECKING:
    from swarmsim.experiment import Experiment, Study
    from swarmsim.runtime.world import Job
    from swarmsim.timetable import Timetable

__all__ = ["Course", "courses", "plan", "write_timeline"]

PAIRS = 10_000  # of participants in the JSON; of more, those between whom most is sent


@dataclass
class Course:
    """One method, carried out without training as far as `ledger` was read: what it sends, and its clock."""

    experiment: Experiment
    job: Job
    planned: Timetable
    account: Account
    trying: list[Traffic]  # messages of one evaluation
    seconds: list[float] = field(default_factory=list)  # of each round
    events: Counter[str] = field(default_factory=Counter)  # that only the messages tell

    @property
    def names(self) -> tuple[str, ...]:
        return self.account.names

    @property
    def memory(self) -> dict[str, dict[str, int]]:
        """Bytes of each participant at the end: rows, examples and the largest activations."""
        costs = self.planned.rehearsals.costs()
        return {name: {"rows": cost.rows, "examples": cost.examples, "activations": cost.activations}
                for name, cost in costs.items()}  # fmt: skip

    @property
    def resends(self) -> bool:
        delivery = self.planned.delivery
        return delivery is not None and delivery.loss is not None

    def ledger(self) -> Iterator[Traffic]:
        """The lines of ledger.csv, round by round, in its order; the clock goes along."""
        every, rounds = self.experiment.evaluate.every, self.job.rounds
        yield from sorted(line._replace(round=0) for line in self.trying)
        for t in range(1, rounds + 1):
            self.account.until(t)
            self.seconds.append(self.account.round_seconds)
            tried = self.trying if t % every == 0 or t == rounds else ()
            lines = sorted(line._replace(round=t) for line in (*self.account.clock.program(t - 1).traffic, *tried))
            self.events.update(event.event for event in delivery_events(lines, self.resends))
            yield from lines


def courses(study: Study) -> list[Course]:
    """All methods of a study, before their first round."""
    federation = federation_of(study.methods[0])
    return [_course(experiment, federation) for experiment in study.methods]


def _course(experiment: Experiment, federation: Federation) -> Course:
    job, planned = assemble(experiment, federation, hosts_of(experiment, len(federation.shards)))
    if planned.clock is None:
        raise InputError(
            f"{experiment.label}: a round cannot be rehearsed, so there is nothing to plan with: a stage of the model "
            "must make its tensors on the device of its input, and may not decide by a number in it"
        )
    return Course(experiment, job, planned, Account(planned.clock), planned.rehearsals.evaluation())


def plan(study: Study, found: list[Course] | None = None) -> dict[str, Any]:
    """A report of plain values: what each method would send and compute, and how long that would take whom.

    Messages, bytes and seconds are those of the run, to the last of them. FLOPs are those of training.
    """
    found = courses(study) if found is None else found
    return {"name": study.name, "methods": [_method(course) for course in found]}


def _method(course: Course) -> dict[str, Any]:
    sent = _sent(course)
    account, clock = course.account, course.account.clock
    return {
        "label": course.experiment.label,
        "rounds": course.job.rounds,
        "seconds": account.seconds,
        "round_seconds": _spread(course.seconds),
        **sent,
        "flops": account.totals[-1],
        "flops_by_participant": dict(zip(course.names, account.flops, strict=True)),
        "memory": course.memory,
        "idle": clock.idle(),
        "critical_path": [{"what": what, "share": share} for what, share in clock.causes(10)],
        "words": account.summary()["words"],
        "last": {course.names[who]: count for who, count in clock.last.most_common() if count},
        "speeds": clock.speeds,
        "stragglers": _stragglers(course),
        "merges": course.planned.attendance,
        "events": dict(sorted((course.events + Counter(event.event for event in course.planned.events)).items())),
    }


def _spread(seconds: list[float]) -> dict[str, float]:
    figures = {"min": min, "median": median, "max": max}
    ends = {"first": seconds[0], "last": seconds[-1]}
    return {name: figure(seconds) for name, figure in figures.items()} | ends


def _sent(course: Course) -> dict[str, Any]:
    """Messages and bytes: of training in all, by kind, by pair and by participant; those of evaluation apart."""
    messages: Counter[str] = Counter()
    kinds: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for _, src, dst, kind, count, size in course.ledger():
        messages[kind] += count
        kinds[kind] += size
        if not kind.startswith("eval_"):
            pairs[src, dst] += size
    training = [kind for kind in kinds if not kind.startswith("eval_")]
    return {
        "messages": sum(messages[kind] for kind in training),
        "bytes": sum(kinds[kind] for kind in training),
        "messages_by_kind": {kind: messages[kind] for kind in sorted(training)},
        "bytes_by_kind": {kind: kinds[kind] for kind in sorted(training)},
        "evaluation": {"messages": messages.total() - sum(messages[kind] for kind in training),
                       "bytes_by_kind": {kind: kinds[kind] for kind in sorted(kinds.keys() - set(training))}},
        "sent": _by(pairs, 0), "received": _by(pairs, 1),
        "matrix": [[*pair, size] for pair, size in _largest(pairs)],
        "pairs": len(pairs),
    }  # fmt: skip


def _by(pairs: Counter[tuple[str, str]], end: int) -> dict[str, int]:
    """Bytes of each participant that sends (end 0) or receives (end 1) any."""
    found: Counter[str] = Counter()
    for pair, size in pairs.items():
        found[pair[end]] += size
    return dict(sorted(found.items()))


def _largest(pairs: Counter[tuple[str, str]]) -> list[tuple[tuple[str, str], int]]:
    """In the order of names; of too many, only those between whom most is sent."""
    return sorted(pairs.items() if len(pairs) <= PAIRS else pairs.most_common(PAIRS))


def _stragglers(course: Course) -> dict[str, dict[str, float]]:
    """Who straggles: in how many rounds, and the largest factor by which it is slower then."""
    slow = course.account.clock.slowdown
    if slow is None:
        return {}
    rounds, most = (slow > 1).sum(0), np.max(slow, axis=0, initial=1.0)
    return {
        name: {"rounds": int(rounds[i]), "factor": float(most[i])}
        for i, name in enumerate(course.job.names)
        if rounds[i]
    }


def write_timeline(path: Path, found: list[Course]) -> None:
    """The beginning of every method as Chrome trace JSON, in one file.

    Written in place: a rename would put a plain file where a user named a link or a device.
    """
    labels = [course.experiment.label for course in found] if len(found) > 1 else []
    content = json.dumps(trace(*(course.account for course in found), labels=labels), separators=(",", ":"))
    try:
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror}; give another --timeline") from error
