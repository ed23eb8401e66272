"""When what happens in a run: topology, faults, pace and a method's own protocol, made into the schedule of its job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.asynchrony import by_clock
from swarmsim.clockwork import Clockwork
from swarmsim.schedule.build import Servers, schedule
from swarmsim.schedule.delivery import Delivery
from swarmsim.schedule.events import delivery_events, sorted_events
from swarmsim.schedule.faults import Faults, check_read
from swarmsim.schedule.links import sides
from swarmsim.schedule.merging import merge_plans, period_steps
from swarmsim.schedule.presence import Presence, merge_events, presence
from swarmsim.schedule.protocol import Protocol
from swarmsim.schedule.slowdown import slowdown
from swarmsim.topology.mixing import push_mixing
from swarmsim.topology.requirements import check_requirements
from swarmsim.topology.seen import Watch
from swarmsim.topology.series import Series, series
from swarmsim.topology.window import window
from swarmsim.types import Event, Federation, InputError, Report, Schedule, Score

if TYPE_CHECKING:
    import networkx

    from swarmsim.clock.clock import Clock
    from swarmsim.experiment import Experiment
    from swarmsim.runtime.rehearsal import Rehearsals
    from swarmsim.runtime.world import Job

__all__ = ["Timetable", "holdings", "planned", "timetable"]


@dataclass(frozen=True)
class Timetable:
    """The schedule of a run, the graph behind it, what happens in it in words, and who is in which merges."""

    schedule: Schedule = field(default_factory=Schedule)
    graph: networkx.Graph | None = None
    events: tuple[Event, ...] = ()
    presence: Mapping[str, Presence] = field(default_factory=dict)
    window: int = 1  # rounds over which a changing graph is described
    clock: Clock | None = None  # the simulated seconds; None where no rehearsal tells them
    delivery: Delivery | None = None  # what befalls messages on the way
    rehearsals: Rehearsals | None = None  # behind the clock: memory, and what trying the models would send

    @property
    def attendance(self) -> dict[str, Any]:
        """Who was in how many merges, and why not in the others, for summary.json; {} without a protocol."""
        return {name: asdict(each) for name, each in self.presence.items()}

    def on(self, report: Report) -> Report:
        """The report of a round with what happened in it, how its graph mixed, and when it was over on the clock."""
        happened = [event for event in self.events if event.round == report.round]
        if self.delivery is not None:
            happened += delivery_events(report.traffic, self.delivery.loss is not None)
        seconds = report.seconds
        if self.clock is not None:
            seconds = self.clock.until(report.round - 1).time if report.round else 0.0
        evaluated = report.round and any(score.split == "test" for score in report.scores)
        mixed = self.watch.at(report.round - 1) if evaluated else None
        figures = mixed._asdict().items() if mixed else ()
        said = tuple(Score("swarm", "all", "all", name, float(value)) for name, value in figures)
        return replace(report, scores=report.scores + said, events=tuple(happened), seconds=seconds)

    @cached_property
    def watch(self) -> Watch:
        """The figures of the graph round by round."""
        return Watch(self.schedule, self.window)


def timetable(experiment: Experiment, federation: Federation, job: Job) -> Timetable:
    """Everything that is decided before a tensor moves; InputError for what the method cannot do or does not obey.

    `job` is complete but for its schedule.
    """
    algorithm, faults, label = experiment.algorithm, experiment.faults, experiment.label
    if faults is not None:
        check_read(faults, algorithm.obeys, label, algorithm.refuses)
        _check_losses(algorithm, faults, label)
    names = getattr(algorithm, "nodes", lambda names: names)(federation.names)
    found = _series(experiment, federation, names)
    _check_merge(experiment, found, names)
    calm = Schedule() if found is None else Schedule(found.mixings, found.which)
    servers = Servers(algorithm.named_servers(len(federation.names)), mix=names != federation.names)
    rounds, seed, resends = experiment.rounds, experiment.seed_run, algorithm.resends
    made, said = schedule(calm, faults, federation.names, rounds, seed, servers, resends)
    getattr(algorithm, "check_away", lambda *_: None)(made, experiment.model, federation.label_holder)
    graph = None if found is None else found.network
    slow = slowdown(faults, federation.names, rounds, seed)
    clockwork = Clockwork(experiment, job, graph if names == federation.names else None, slow)
    delivery = Delivery.of(faults, seed, resends)
    if faults is not None and faults.delay is not None and faults.delay.use == "clock":
        counts = [algorithm.count(size) for size in job.sizes]
        made = by_clock(faults, made, clockwork, counts, rounds, delivery, label)
    _check_ages(algorithm, made, label)
    there = {}
    if isinstance(algorithm, Protocol):
        made = planned(algorithm, made, names, job.sizes, rounds, seed, clockwork, faults)
        there, said = presence(made.plans, names), (*said, *merge_events(made.plans, names))
    _check_met(experiment, made)
    length = 1 if found is None else window(experiment.topology.period(len(names)), len(names))
    clock = clockwork.clock(replace(job, schedule=made, delivery=delivery))
    return Timetable(made, graph, sorted_events(said), there, length, clock, delivery, clockwork.rehearsals)


def planned(
    algorithm: Any, made: Schedule, names: Sequence[str], sizes: Sequence[int], rounds: int, seed: int,
    clockwork: Clockwork | None = None, faults: Faults | None = None,
) -> Schedule:  # fmt: skip
    """The schedule with the plans of a method that has a protocol: who trains, leads, contributes and receives.

    Without a clockwork, every step takes a second and models no time at all.
    """
    times = None if clockwork is None else clockwork.times
    seconds = np.ones((rounds, len(names))) if times is None else times.of_a_step(rounds)
    steps = period_steps(algorithm.sync, seconds, np.array([max(1, algorithm.count(size)) for size in sizes]))
    durations = steps * seconds if times is None else times.of_training(steps)
    apart = None if faults is None else sides(faults, names, rounds)
    carrier = None if clockwork is None else clockwork.carrier()
    plans = merge_plans(algorithm, durations, names, seed, made.active, apart, carrier)
    return replace(made, plans=plans, steps=None if algorithm.sync is None else steps)


def _series(experiment: Experiment, federation: Federation, names: Sequence[str]) -> Series | None:
    """The mixing matrices of all rounds, once they are known to suit the method."""
    algorithm, topology = experiment.algorithm, experiment.topology
    if not getattr(algorithm, "mixes", False):
        return None
    if topology is None and not algorithm.requirements():
        return None
    if topology is None:
        raise InputError(f"{experiment.label}: needs a topology, for example topology: {{use: ring}}")
    sizes, counts = holdings(federation, names)
    found = series(topology, len(names), experiment.seed_run, names, experiment.rounds, sizes, counts)
    wanted = algorithm.requirements()
    if "column_stochastic" in wanted:
        found = _pushed(found, experiment.label)
    check_requirements(wanted, found, topology.weights, experiment.label)
    return found


def _pushed(found: Series, label: str) -> Series:
    """The same graphs with the column-stochastic W of push-sum."""
    if len(found.graphs) != len(found.mixings):
        raise InputError(
            f"{label}: needs a topology that is the same in every round, or has a period; this one is drawn"
        )
    return replace(found, mixings=tuple(push_mixing(graph) for graph in found.graphs))


def holdings(federation: Federation, names: Sequence[str]) -> tuple[list[int] | None, np.ndarray | None]:
    """Training examples of the nodes, and of which classes [n, classes]; None where nodes are no institutions."""
    if tuple(names) != tuple(federation.names):
        return None, None
    return [len(shard.train) for shard in federation.shards], _counts(federation)


def _counts(federation: Federation) -> np.ndarray | None:
    """Training examples of each class at each institution [n, classes]."""
    labels = [shard.train.y for shard in federation.shards]
    if not federation.classes or any(y.ndim != 1 for y in labels):
        return None
    return np.stack([np.bincount(y, minlength=len(federation.classes)) for y in labels])


def _check_merge(experiment: Experiment, found: Series | None, names: Sequence[str]) -> None:
    """Refuse a rule of merging that the method has no use for, or for which too few rows meet somewhere."""
    rule, label = experiment.merge, experiment.label
    if rule is None:
        return
    if not getattr(type(experiment.algorithm), "robust", False):
        raise InputError(
            f"{label}: merge: the method merges nothing by a rule, so the section would be ignored; leave it out, or "
            "write merge: null for this method"
        )
    if rule.centred and not getattr(type(experiment.algorithm), "centres", False):
        raise InputError(
            f"{label}: merge: the rule starts from the own row of whoever merges, and a server has none; use it with "
            "swarm/leader_merge or swarm/dpsgd, or another rule"
        )
    if found is None and (reason := rule.needs(len(names))):
        raise InputError(f"{label}: merge: {reason}")
    for mixing in found.mixings if found else ():
        counts = np.add.reduceat((mixing.weights != 0).astype(int), mixing.starts[:-1])
        for i in np.argsort(counts, kind="stable").tolist():
            if counts[i] > 1 and (reason := rule.needs(int(counts[i]))):  # who is alone keeps its own row
                raise InputError(f"{label}: merge at {names[i]}: {reason}")


def _check_met(experiment: Experiment, made: Schedule) -> None:
    """Refuse rounds in which too few rows for the rule of merging would meet at a leader or a server."""
    if experiment.merge is None or made.mixings:
        return
    counts, way_out = [len(plan.contributors) for plan in made.plans], "a larger min_peers, so that no merge is"
    if not made.plans and made.active is not None:
        counts, way_out = made.active.sum(1).tolist(), "faults that leave more of them awake, so that no merge is"
    for t, count in enumerate(counts, 1):
        if count and (reason := experiment.merge.needs(count)):
            raise InputError(f"{experiment.label}: merge in round {t}: {reason}; or write {way_out} made of so few")


def _check_losses(algorithm: Any, faults: Faults, label: str) -> None:
    """Refuse losses under which a method would end somewhere else, and nothing would show it."""
    one_way = faults.link_loss is not None and not faults.link_loss.symmetric
    if one_way and getattr(type(algorithm), "corrects", False):
        raise InputError(
            f"{label}: faults.link_loss: symmetric: false leaves columns of W that do not sum to 1, and the method's "
            "correction would be off for ever; write symmetric: true, or use swarm/dpsgd or swarm/push_sum"
        )
    if faults.lost_weight == "sender" and "column_stochastic" not in algorithm.requirements():
        raise InputError(
            f"{label}: faults.lost_weight: sender leaves rows of W that do not sum to 1, by which models would shrink "
            "and grow; leave it out, it belongs to swarm/push_sum"
        )


def _check_ages(algorithm: Any, made: Schedule, label: str) -> None:
    oldest = max((int(ages.max()) for ages in made.ages.values()), default=0)
    if oldest > getattr(algorithm, "max_delay", oldest):
        raise InputError(
            f"{label}: faults: delay lets values be {oldest} rounds old, and max_delay keeps {algorithm.max_delay}; "
            f"write max_delay: {oldest}"
        )
