"""What a method sees of its surroundings, and the job from which every host builds it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmsim.lazy import torch
from swarmsim.local.learner import Learner
from swarmsim.local.pieces import in_pieces
from swarmsim.network.located import Group, Located
from swarmsim.network.net import Net
from swarmsim.rows import Network, build
from swarmsim.schedule.delivery import Delivery
from swarmsim.types import Block, Merge, Part, Schedule, Shard, Tick

__all__ = ["Job", "World", "network_of"]


@dataclass(frozen=True)
class Job:
    """One method's run, as every host receives it: plain values, no handles.

    `hosts` gives for each kind of group the host of each member; `shards` holds the institutions of the receiving
    host only; `sizes` are the training examples of every institution.
    """

    algorithm: Any
    model: Any
    task: Any
    names: tuple[str, ...]
    sizes: tuple[int, ...]
    example: tuple[int, ...]  # shape of one example
    outputs: int
    shards: Mapping[int, Shard]
    tests: tuple[Part, ...]  # every institution's test part, in order: together the pooled test set
    external: Part | None
    pool: Part | None  # all training examples, where the method pools them at the server
    schedule: Schedule
    servers: tuple[str, ...]
    hosts: Mapping[str, tuple[int, ...]]
    rounds: int
    seed: int
    dtype: str
    device: str
    packed: bool
    turns_every: int | None = None  # rounds between two in which models are tried after every turn
    recalibrate: bool = False  # compute BatchNorm's statistics again before models are tried
    blocks: tuple[Block, ...] = ()  # vertical data: the columns of each institution; `example` is all of them
    label_holder: int | None = None  # vertical data: the institution that has the targets
    merge: Any = None  # the rule by which rows are merged, where the method uses one; None: their weighted mean
    delivery: Delivery | None = None  # what befalls messages on the way; None: nothing


def network_of(job: Job, dtype: torch.dtype, device: str = "cpu") -> Network:
    """The job's model for the examples it has, with the initial values that its seed gives."""
    return build(lambda: job.model.stages(job.blocks or job.example, job.outputs), job.seed, dtype, device)


@dataclass
class World:
    """The groups, the net and the local computation; `merges` and `losses` collect what a round reports."""

    institutions: Group
    server: Group
    net: Net
    learner: Learner
    sizes: tuple[int, ...]
    example: tuple[int, ...]  # shape of one example
    shards: Located  # (x, y) of the training part, at each institution
    pool: Located  # the same at the server, for methods that pool
    blocks: tuple[Block, ...] = ()
    label_holder: int | None = None
    merge: Any = None  # as in the job
    losses: dict[str, tuple[torch.Tensor, int]] = field(default_factory=dict)
    notes: dict[tuple[str, str], tuple[float, int]] = field(default_factory=dict)
    turns: list[int] = field(default_factory=list)
    watch_turn: Callable[[int, Callable[[World], Located]], None] | None = None  # set in rounds that are looked at
    merges: list[Merge] = field(default_factory=list)

    def train(self, members: Located, tick: Tick, group: Group | None = None) -> Located:
        """Local training of every member of a group on its own shard; who is not of the group stays as it was.

        By default the group are all institutions that are awake.
        """
        group = group or self.institutions.only(tick.awake(self.institutions.members))
        learner, t = self.learner, tick.t
        examples, batches, addresses = self._work(tick, group)
        train = in_pieces(lambda m, xy, b, a: learner.train(m, xy, b, a, t))
        trained = group.map(train, members, examples, batches, addresses)
        self._note_losses(group, trained[1])
        return trained[0] if len(trained[0]) == len(members) else members | trained[0]

    def slopes(self, weights: Located, tick: Tick, group: Group | None = None) -> Located:
        """(gradient [d], weights) of each member at its weights, the mean over the batches of this round.

        g_i = grad f_i(x_i; batches), clipped and with weight decay as the optimiser would have it; the weights that
        come with it differ in BatchNorm's statistics alone.
        """
        group = group or self.institutions.only(tick.awake(self.institutions.members))
        examples, batches, addresses = self._work(tick, group)
        found = group.map(in_pieces(self.learner.slope), weights, examples, batches, addresses)
        self._note_losses(group, found[1])
        return found[0]

    def _work(self, tick: Tick, group: Group) -> tuple[Located, Located, Located]:
        """Examples of each member, the batches that it takes in this round, and where its random numbers come from."""
        examples = self.shards if group.kind == "institution" else self.pool
        steps = tick.steps if group.kind == "institution" else None
        batches = group.each(
            lambda i, xy: self.learner.batches(i, len(xy[1]), tick.t, None if steps is None else int(steps[i])),
            examples,
        )
        return examples, batches, group.each(lambda i: self.learner.address(i, tick.t))

    def _note_losses(self, group: Group, losses: Located) -> None:
        for i, loss in losses.values.items():
            if loss is not None:
                self.note_loss(group.names[i], loss, 1)

    def note_loss(self, who: str, loss: torch.Tensor, weight: int) -> None:
        """Add a training loss [1] to the mean that a round reports; looking at a run is not communication."""
        total, weights = self.losses.get(who, (0.0, 0))
        self.losses[who] = (total + loss * weight, weights + weight)

    def note(self, who: str, metric: str, value: float, weight: int) -> None:
        """Add a value to the mean of a metric that the round reports of a participant."""
        total, weights = self.notes.get((who, metric), (0.0, 0))
        self.notes[who, metric] = (total + value * weight, weights + weight)

    def after_turn(self, institution: int, models: Callable[[World], Located]) -> None:
        """An institution's turn is over; `models` gives every institution's model as it is now."""
        self.turns.append(institution)
        if self.watch_turn:
            self.watch_turn(len(self.turns) - 1, models)

    def report_merge(self, tick: Tick, leader: str, contributors: tuple[str, ...], reason: str) -> None:
        """Note who was in a merge; who was not follows."""
        left_out = tuple(name for name in self.institutions.names if name not in contributors)
        before = sum(merge.round == tick.t + 1 for merge in self.merges)
        self.merges.append(Merge(tick.t + 1, before, leader, contributors, left_out, reason))
