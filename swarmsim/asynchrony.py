"""Asynchronous rounds on the clock: who finishes training in which round, and how old the models are that it finds.

A round is a stretch of simulated time. Everybody trains again and again, on its own; who finishes in round t sends its
model to its neighbours and merges what has arrived by then, whatever round that was sent in.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from swarmsim.clock.operations import Hold, Program, Send
from swarmsim.clock.simulation import Simulation
from swarmsim.clockwork import Clockwork
from swarmsim.schedule.delivery import Delivery
from swarmsim.schedule.faults import Faults
from swarmsim.types import InputError, Mixing, Schedule

__all__ = ["by_clock", "trainings"]

Edge = tuple[int, int]


def by_clock(
    faults: Faults, made: Schedule, clockwork: Clockwork, counts: Sequence[int], rounds: int,
    delivery: Delivery | None, label: str,
) -> Schedule:  # fmt: skip
    """The schedule in which ages follow from speeds and wires; counts [n]: batches of a training.

    W of round t has the rows of the calm W for those who finish in t, and the identity's for others, whose last model
    is still what their neighbours have. InputError for faults that change from round to round how long things take, or
    which links there are, and for a model that would be older than `most`.
    """
    _check(faults, clockwork, label)
    durations = clockwork.times.of_training(np.array([counts]))[0]
    length = faults.delay.seconds or _length(durations, made, clockwork, faults.delay.most)
    ends = trainings(durations, length, rounds)
    if made.active is not None:
        ends = np.where(made.active, ends, np.inf)
    active = np.isfinite(ends)
    sent = [_edges(made, t, active[t]) for t in range(rounds)]
    arrived = _arrivals(sent, ends, clockwork, delivery)
    rows, ages = _Rows(), {}
    which = np.empty(rounds, dtype=np.int64)
    latest: dict[Edge, list[tuple[int, float]]] = {}  # per edge: (round, arrival) of what was sent so far
    for t in range(rounds):
        for edge in sent[t]:
            latest.setdefault(edge, []).append((t, arrived[t, edge]))
        which[t] = rows.acting(_mixing(made, t), active[t])
        ages[t] = _ages(rows.mixings[which[t]], t, ends[t], latest)
        _check_most(ages[t], t, faults.delay.most, length, label)
    return replace(
        made, mixings=tuple(rows.mixings), which=which, active=active, ages=ages, ends=ends,
        sends={t: tuple(sent[t]) for t in range(rounds)},
    )  # fmt: skip


def trainings(durations: np.ndarray, length: float, rounds: int) -> np.ndarray:
    """When each institution finishes training in each round of `length` seconds [rounds, n]; inf: not in this one.

    One training follows another, at most one a round: who would finish a second one waits for the next round.
    """
    ends = np.full((rounds, len(durations)), np.inf)
    for i, duration in enumerate(durations.tolist()):
        end = duration
        while (t := max(0, int(np.ceil(end / length - 1e-9)) - 1)) < rounds:
            ends[t, i] = end
            following = (t + 1) * length
            end = (end if end + duration > following * (1 + 1e-12) else following) + duration
    return ends


class _Rows:
    """W of those who finish, each distinct one once."""

    def __init__(self) -> None:
        self.mixings: list[Mixing] = []
        self._known: dict[tuple[int, bytes], int] = {}

    def acting(self, mixing: Mixing, active: np.ndarray) -> int:
        """Which of `mixings` has the rows of W for those who are active, and the identity's for others."""
        key = id(mixing), active.tobytes()
        if key not in self._known:
            self._known[key] = len(self.mixings)
            self.mixings.append(_with_rows(mixing, active))
        return self._known[key]


def _with_rows(mixing: Mixing, active: np.ndarray) -> Mixing:
    own = np.array([0]), np.array([1.0])
    rows = [mixing.row(i) if active[i] else (own[0] + i, own[1]) for i in range(mixing.n)]
    starts = np.concatenate([[0], np.cumsum([len(columns) for columns, _ in rows])])
    return Mixing(mixing.n, starts, *(np.concatenate(parts) for parts in zip(*rows, strict=True)))


def _mixing(made: Schedule, t: int) -> Mixing:
    return made.mixings[made.which[min(t, len(made.which) - 1)]]


def _edges(made: Schedule, t: int, active: np.ndarray) -> list[Edge]:
    """To whom those who finish in round t send: (src, dst) of the entries of W, by destination."""
    mixing = _mixing(made, t)
    dst = np.repeat(np.arange(mixing.n), np.diff(mixing.starts))
    chosen = active[mixing.columns] & (mixing.columns != dst)
    return list(zip(mixing.columns[chosen].tolist(), dst[chosen].tolist(), strict=True))


def _arrivals(
    sent: Sequence[Sequence[Edge]], ends: np.ndarray, clockwork: Clockwork, delivery: Delivery | None
) -> dict[tuple[int, Edge], float]:
    """When the model that was sent over an edge in a round is there with its last message."""
    sizes, n = clockwork.carrier().sizes, len(clockwork.names)

    def program(t: int) -> Program:
        operations: list[list] = [[] for _ in range(n)]
        for i in np.flatnonzero(np.isfinite(ends[t])).tolist():
            operations[i].append(Hold(float(ends[t, i])))
        for number, (size, (src, dst)) in enumerate((size, edge) for size in sizes for edge in sent[t]):
            operations[src].append(Send(number, dst, size, ""))
        return Program(tuple(map(tuple, operations)))

    fates = None if delivery is None else clockwork.fates(delivery)
    programs = [program(t) for t in range(len(sent))]
    simulation = Simulation(programs.__getitem__, len(sent), n, clockwork.wires.fresh(), lambda *_: 0.0, fates)
    return {
        (t, edge): max(journeys[k * len(sent[t]) + place].arrived for k in range(len(sizes)))
        for t, journeys in simulation.all_journeys()
        for place, edge in enumerate(sent[t])
    }  # fmt: skip


def _ages(mixing: Mixing, t: int, ends: np.ndarray, latest: dict[Edge, list[tuple[int, float]]]) -> np.ndarray:
    """How many rounds old what each entry of W reads is; what never arrived is how everybody started."""
    found = np.zeros(len(mixing.columns), dtype=np.int32)
    for entry, i in enumerate(np.repeat(np.arange(mixing.n), np.diff(mixing.starts)).tolist()):
        j = int(mixing.columns[entry])
        if i != j:
            here = (s for s, arrived in reversed(latest.get((j, i), ())) if arrived <= ends[i])
            found[entry] = t - next(here, -1)
    return found


def _length(durations: np.ndarray, made: Schedule, clockwork: Clockwork, most: int) -> float:
    """The training of the fastest, or if longer what lets no model be older than `most`, if messages meet no other.

    At j a model is (d_j + way)/length rounds old, rounded up, when the next one of it comes.
    """
    carrier = clockwork.carrier()
    edges = set().union(*(_edges(made, t, np.ones(len(durations), bool)) for t in _distinct(made)))
    ways = [carrier.alone(src, dst) for src, dst in edges]
    return max(float(durations.min()), (float(durations.max()) + max(ways, default=0.0)) / most)


def _distinct(made: Schedule) -> Iterator[int]:
    """A round for each W."""
    yield from np.unique(made.which, return_index=True)[1].tolist()


def _check(faults: Faults, clockwork: Clockwork, label: str) -> None:
    unsteady = [name for name in ("link_loss", "partitions", "stragglers", "straggling") if getattr(faults, name)]
    unsteady += ["pace.jitter"] if clockwork.times.pace.jitter else []
    if unsteady:
        raise InputError(
            f"{label}: faults.delay: use: clock goes by speeds and links that are the same in every round; leave "
            f"{', '.join(unsteady)} out, or use delay uniform or geometric"
        )


def _check_most(ages: np.ndarray, t: int, most: int, length: float, label: str) -> None:
    if (oldest := int(ages.max(initial=0))) > most:
        raise InputError(
            f"{label}: faults.delay: in round {t + 1} a model would be {oldest} rounds old, and most is {most}; rounds "
            f"are {length:.4g} s long: write seconds: {length * oldest / most:.3g} or more, or a larger most"
        )
