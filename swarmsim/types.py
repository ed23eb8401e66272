"""The protocols and the small frozen values that rooms share.

A section of an experiment file names a folder, `use` names a file in it, and the other keys are the
arguments of the one class which that file exports: a subclass of `Arguments`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict

__all__ = [
    "Arguments", "Assignment", "Block", "Dataset", "Event", "Federation", "InputError", "Merge", "Mixing", "Part",
    "Report", "Schedule", "Score", "Shard", "SwarmsimError", "Tick", "Traffic",
]  # fmt: skip


class SwarmsimError(Exception):
    """Anything swarmsim ends a run with on purpose; the message is shown without a traceback (exit 1)."""

    exit_code = 1


class InputError(SwarmsimError):
    """Something a user wrote cannot be used: says what was given, what is allowed and the way out (exit 2)."""

    exit_code = 2


class Arguments(BaseModel):
    """What can be written beside `use:`: typed, bounded, with defaults; frozen once read."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


# ---------------------------------------------------------------------------------------------- data


class Block(NamedTuple):
    """The columns that one institution holds of every patient: its name, and the shape of one example of them."""

    name: str
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=int))


@dataclass(frozen=True)
class Dataset:
    """What a source loads: examples, not yet divided among institutions.

    features [N, ...] float32 (NaN where missing), targets [N] int64 (classification), float [N, k]
    (regression) or float [N, 1, H, W] (masks), classes: names of the classes, () for numbers and masks, columns: one
    value per example, for partitions (a hospital, a scanner, a patient), external: examples of an institution that
    never trains.
    """

    features: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...] = ()
    columns: Mapping[str, np.ndarray] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    external: Dataset | None = None
    objective: bool = False  # the examples define the objective itself: train, validation and test are the same
    notes: tuple[str, ...] = ()  # what the loader did to the data, in words, for `swarmsim check`
    blocks: tuple[Block, ...] = ()  # vertical data: features [N, D] are these, flattened, one behind the other
    label_holder: str = ""  # vertical data: the block whose institution has the targets
    one_task: bool = True  # False: what a target means depends on the institution


class Assignment(NamedTuple):
    """Which examples each institution holds, in institution order."""

    names: tuple[str, ...]
    indices: tuple[np.ndarray, ...]


@dataclass(frozen=True)
class Part:
    """Examples ready for a model: x [m, ...] float, y [m] int64, [m, k] float, or masks [m, 1, H, W] float."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Shard:
    """One institution's examples."""

    name: str
    train: Part
    validation: Part
    test: Part


@dataclass(frozen=True)
class Federation:
    """All institutions with their shards: what every method of an experiment shares.

    Vertical data (`blocks`, one an institution): train parts are x [m, own columns] of the same m patients in the same
    order, with y at the label holder and y [m, 0] elsewhere; its validation and test parts are x [m', all columns],
    the others' are empty. A patient whose block is missing has NaN in all of that block.
    """

    shards: tuple[Shard, ...]
    classes: tuple[str, ...] = ()
    external: Part | None = None
    indices: Mapping[str, np.ndarray] = field(default_factory=dict)  # "institution/part" -> rows of the data set
    notes: tuple[str, ...] = ()
    blocks: tuple[Block, ...] = ()
    label_holder: int | None = None
    one_task: bool = True  # False: institutions predict different things, so that no model is for all

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(shard.name for shard in self.shards)


# ------------------------------------------------------------------------------------------ topology


@dataclass(frozen=True)
class Mixing:
    """A mixing matrix W [n, n] by rows: institution i merges x_i <- sum_j W_ij x_j.

    Compressed sparse rows, columns ascending: row i is `columns[starts[i]:starts[i+1]]` with the weights
    `weights[starts[i]:starts[i+1]]`; the diagonal is always present, even where it is 0.
    """

    n: int
    starts: np.ndarray
    columns: np.ndarray
    weights: np.ndarray

    def row(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        """Neighbours of i (itself among them, ascending) and their weights."""
        here = slice(self.starts[i], self.starts[i + 1])
        return self.columns[here], self.weights[here]

    def dense(self) -> np.ndarray:
        """W as a float64 matrix [n, n]."""
        full = np.zeros((self.n, self.n))
        full[np.repeat(np.arange(self.n), np.diff(self.starts)), self.columns] = self.weights
        return full


# ----------------------------------------------------------------------------------- what a run says


class Score(NamedTuple):
    """One line of metrics.csv beside round and seconds; `institution` and `model` may be `all`."""

    split: str
    institution: str
    model: str
    metric: str
    value: float


class Traffic(NamedTuple):
    """One line of ledger.csv."""

    round: int
    src: str
    dst: str
    kind: str
    messages: int
    bytes: int


class Merge(NamedTuple):
    """One line of merges.csv: who was in a merge, and who was not."""

    round: int
    merge: int
    leader: str
    contributors: tuple[str, ...]
    left_out: tuple[str, ...]
    reason: str


class Event(NamedTuple):
    """One line of events.csv: what happened to an institution, or to `all`."""

    round: int
    event: str
    institution: str
    detail: str


@dataclass(frozen=True)
class Report:
    """What the loop yields when a round is over (round 0: before any training)."""

    round: int
    scores: tuple[Score, ...] = ()
    traffic: tuple[Traffic, ...] = ()
    merges: tuple[Merge, ...] = ()
    seconds: float | None = None  # simulated
    wall: Mapping[str, float] = field(default_factory=dict)  # where the wall time went: train, evaluate, ...
    events: tuple[Event, ...] = ()


@dataclass(frozen=True)
class Tick:
    """What the schedule says of one round: its number, from 0, who merges with whom, who is awake, what is lost.

    `mixing` is W as it acts in this round: rows of institutions that sleep are those of the identity, and the weight
    of a lost message is where the schedule put it. `active` are the institutions awake (None: all); `lost` are the
    messages (src, dst) that are sent and do not arrive; `ages` gives how many rounds old the value is that arrives
    for each entry of W (None: 0 everywhere); `steps` [n] are the batches that each trains on, where the schedule
    says it; `plan` is what the method's own protocol says of the round; `servers_down` are the members of the server
    group that have an outage. Where rounds are stretches of time, `ends` [n] says when the training of those awake is
    over [s], and `sends` are the messages (src, dst) that leave in this round, whenever they arrive (None: those of W).
    """

    t: int
    mixing: Mixing | None = None
    active: tuple[int, ...] | None = None
    lost: tuple[tuple[int, int], ...] = ()
    ages: np.ndarray | None = None
    steps: np.ndarray | None = None
    plan: Any = None
    servers_down: tuple[int, ...] = ()
    ends: np.ndarray | None = None
    sends: tuple[tuple[int, int], ...] | None = None

    def awake(self, members: Sequence[int]) -> tuple[int, ...]:
        """Those of some institutions that are awake."""
        return tuple(members) if self.active is None else tuple(i for i in members if i in self._active)

    @cached_property
    def _active(self) -> frozenset[int]:
        return frozenset(self.active)


@dataclass(frozen=True)
class Schedule:
    """What happens when, for every round of a run: computed from the file and the seed before anything moves.

    Round t mixes with `mixings[which[t]]` (the last of `which` holds on); `active[t]` [n] says who is awake (None: all,
    always); `lost[t]` the messages that do not arrive; `ages[t]` how old arriving values are; `steps[t]` [n]
    batches; `plans[t]` a protocol's own decisions; `servers_up[t]` [servers] which of a method's servers are there
    (None: all, always). Where rounds are stretches of time, `ends[t]` [n] says when trainings are over, and `sends[t]`
    which messages leave.
    """

    mixings: tuple[Mixing, ...] = ()
    which: np.ndarray = field(default_factory=lambda: np.zeros(1, np.int64))
    active: np.ndarray | None = None
    lost: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)
    ages: Mapping[int, np.ndarray] = field(default_factory=dict)
    steps: np.ndarray | None = None
    plans: tuple[Any, ...] = ()
    servers_up: np.ndarray | None = None
    ends: np.ndarray | None = None
    sends: Mapping[int, tuple[tuple[int, int], ...]] = field(default_factory=dict)

    def tick(self, t: int) -> Tick:
        """Round t, from 0."""
        mixing = self.mixings[self.which[min(t, len(self.which) - 1)]] if self.mixings else None
        awake = None
        if self.active is not None and not self.active[t].all():
            awake = tuple(np.flatnonzero(self.active[t]).tolist())
        plan = self.plans[t] if self.plans else None
        steps = None if self.steps is None else self.steps[t]
        ends = None if self.ends is None else self.ends[t]
        outages = () if self.servers_up is None else tuple(np.flatnonzero(~self.servers_up[t]).tolist())
        lost, ages, sends = self.lost.get(t, ()), self.ages.get(t), self.sends.get(t)
        return Tick(t, mixing, awake, lost, ages, steps, plan, outages, ends, sends)
