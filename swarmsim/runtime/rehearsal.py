"""Rounds rehearsed with tensors that have a shape but no content: what everybody sends and computes, in which order.

Nothing is trained, and a round that is like an earlier one is not rehearsed again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import numpy as np

from swarmsim.clock.operations import Program
from swarmsim.lazy import torch
from swarmsim.local.passes import gradient
from swarmsim.network.located import Group, Located
from swarmsim.network.recording import Recording
from swarmsim.runtime.driver import NobodyElse
from swarmsim.runtime.host import Host
from swarmsim.runtime.meter import Cost, Meter
from swarmsim.runtime.world import Job, World, network_of
from swarmsim.trees import signature
from swarmsim.types import InputError, Mixing, Tick, Traffic

__all__ = ["Rehearsals", "work_of"]

REMEMBERED = 256  # kinds of rounds


class Rehearsals:
    """The rounds of a job, one after another, on one host."""

    def __init__(self, job: Job) -> None:
        places = {kind: tuple(0 for _ in members) for kind, members in job.hosts.items()}
        hollow = dataclasses.replace(job, device="meta", packed=False, hosts=places)
        self._host = host = Host(hollow, 0, NobodyElse())
        self.job, self.names = job, (*job.names, *job.servers)
        self._record = record = Recording(self.names, job.delivery)
        self._meter = meter = Meter(record.computed)
        learner = dataclasses.replace(host.world.learner, rule=_Idle(host.world.learner.rule))
        changed = {
            "institutions": meter.group(host.world.institutions), "server": meter.group(host.world.server),
            "net": host.world.net.counted_by(record).deferred(), "learner": learner,
        }  # fmt: skip
        self._world = _World(**{**vars(host.world), **changed})
        self._world.bind(record, meter)
        self._state, self._states = host.state, {self._signature(host.state): host.state}
        self._known: dict[Hashable, tuple[Program, Any, Any]] = {}  # ..., the state behind the round, the one before
        self._done = 0

    def next(self) -> Program:
        """The program of the next round, from round 0."""
        t, self._done = self._done, self._done + 1
        tick = self.job.schedule.tick(t)
        key = (id(self._state), self.job.algorithm.phase(t, self.job.rounds), _key(tick), self.job.delivery and t)
        if key not in self._known:
            if len(self._known) >= REMEMBERED:
                self._known.clear()
                self._states.clear()
            before = self._state  # kept, so that no other state gets its id
            self._known[key] = self._rehearse(t, tick), self._state, before
        program, self._state, _ = self._known[key]
        return program

    def costs(self) -> dict[str, Cost]:
        """What the rounds so far, each kind of them once, cost by participant."""
        world, host = self._world, self._host
        rows = [(host.group_of(name), located) for name, located in host.fields()]
        examples = [(world.institutions, world.shards), (world.server, world.pool)]
        return self._meter.costs((world.institutions, world.server), rows, examples)

    def evaluation(self) -> list[Traffic]:
        """Messages that trying the models would take in a deployment; those of round 0."""
        self._host.ledger.take()
        self._host.count_evaluation(0)
        return self._host.ledger.take()

    def _rehearse(self, t: int, tick: Tick) -> Program:
        self._record.round = t + 1
        try:
            state = self.job.algorithm.round(self._state, tick, self._world)
        except ValueError as error:  # what torch raises for shapes that it refuses
            raise InputError(
                f"round {t + 1} cannot be computed: {error}. BatchNorm, for one, needs more than one example a batch: "
                "choose a batch that leaves no single one behind, or a model without it"
            ) from error
        self._world.forget()
        self._state = self._states.setdefault(self._signature(state), state)
        everyone = self._world.institutions.members
        awake = frozenset(tick.awake(everyone))
        if (plan := tick.plan) is not None:  # it says itself when who is back begins; nobody waits for those away
            gone = {i for i, why in plan.left_out if why in ("asleep", "cut off")}
            return self._record.program((), plan.late | gone, plan.leader)
        return self._record.program(frozenset(everyone) - awake if tick.ends is None else ())  # or still at it

    def _signature(self, state: Any) -> Hashable:
        """Equal for states from which equal ticks do the same: equal shapes, equal plain values."""
        values = {field.name: getattr(state, field.name) for field in dataclasses.fields(state)}
        return repr([
            (name, {i: signature(tree) for i, tree in value.values.items()} if isinstance(value, Located) else value)
            for name, value in values.items()
        ])  # fmt: skip


def work_of(job: Job) -> int:
    """FLOPs of training the whole model on one example; 1 where the model has none that are counted."""
    network = network_of(job, torch.float32, "meta")
    y = torch.tensor(job.shards[_labelled(job)].train.y[:1]).to("meta")
    x = torch.empty(2, *job.example, device="meta")
    seed = (0, "dropout", 0, 0, 0) if network.stochastic else None
    batch = x, y.expand(2, *y.shape[1:])
    _, account = Meter().measured(lambda: gradient(network, job.task.loss, network.initial(), *batch, seed))
    return account.flops // 2 or 1


def _labelled(job: Job) -> int:
    """An institution that has targets."""
    if job.label_holder is not None:
        return job.label_holder
    return next((i for i in sorted(job.shards) if len(job.shards[i].train)), 0)


class _World(World):
    """A world in which members of equal shapes train once, whatever the round."""

    def bind(self, record: Recording, meter: Meter) -> None:
        self._record, self._meter = record, meter
        self._trained: dict[Hashable, tuple[Any, Any]] = {}

    def train(self, members: Located, tick: Tick, group: Group | None = None) -> Located:
        trained = self._once(super().train, members, tick, group)
        return trained if len(trained) == len(members) else members | trained

    def slopes(self, weights: Located, tick: Tick, group: Group | None = None) -> Located:
        return self._once(super().slopes, weights, tick, group)

    def forget(self) -> None:
        """Drop what a round notes of itself."""
        for seen in (self.losses, self.notes, self.merges, self.turns):
            seen.clear()

    def _once(self, what: Callable, members: Located, tick: Tick, group: Group | None) -> Located:
        group = group or self.institutions.only(tick.awake(self.institutions.members))
        return Located({i: self._of_one(what, members.values[i], tick, group, i) for i in group.here})

    def _of_one(self, what: Callable, member: Any, tick: Tick, group: Group, i: int) -> Any:
        """What training (or a gradient) leaves of a member, whose cost is charged to it."""
        size = len((self.shards if group.kind == "institution" else self.pool).values[i][1])
        steps = None if tick.steps is None or group.kind != "institution" else int(tick.steps[i])
        key = (what.__name__, signature(member), size, steps)
        if key not in self._trained:
            one = group.only([i])
            self._trained[key] = self._meter.measured(lambda: what(Located({i: member}), tick, one).values[i])
        after, account = self._trained[key]
        self._meter.add(group, i, account)
        self._record.computed(group.names[i], account.flops or self._examples(size, steps))
        return after

    def _examples(self, size: int, steps: int | None) -> int:
        """How many examples a member trains on: its work, where the model has no FLOPs."""
        count = self.learner.count(size) if steps is None else steps
        return sum(self.learner.batch_size(size, k) for k in range(count)) if size else 0


class _Idle(NamedTuple):
    """An optimiser with the state of another that never moves."""

    rule: Any

    def start(self, params: torch.Tensor) -> dict:
        return self.rule.start(params)

    def step(self, params: torch.Tensor, grad: torch.Tensor, state: dict, lr: float) -> tuple:
        return params, state


def _key(tick: Tick) -> Hashable:
    """Equal for ticks that say the same, whatever their round."""
    said = {field.name: getattr(tick, field.name) for field in dataclasses.fields(tick) if field.name != "t"}
    return tuple(
        value.tobytes() if isinstance(value, np.ndarray) else id(value) if isinstance(value, Mixing) else repr(value)
        for value in said.values()
    )
