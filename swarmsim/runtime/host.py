"""A host: one participant's share of a run. The inline runtime is one host; a Ray actor carries one each."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from swarmsim.lazy import torch
from swarmsim.local.learner import Learner
from swarmsim.local.recalibration import recalibrated
from swarmsim.network.ledger import Ledger
from swarmsim.network.located import Group, Located
from swarmsim.network.net import Net, Transport
from swarmsim.rows import Weights
from swarmsim.runtime.apply import one_by_one, packed
from swarmsim.runtime.world import Job, World, network_of
from swarmsim.trees import flatten, settled, tree_map
from swarmsim.types import Merge, Part, Shard, SwarmsimError, Traffic

__all__ = ["LOSS", "Diverged", "Evaluation", "Host", "Outcome"]

LOSS = "the training loss"


class Diverged(SwarmsimError):
    """A weight, an optimiser state or a loss is no longer a finite number (exit 3); `earlier` are the rounds before."""

    exit_code = 3

    def __init__(self, message: str, earlier: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.earlier = tuple(earlier)


class Outcome(NamedTuple):
    """What a host says of one round: losses and other notes of its members, messages, merges, non-finite tensors.

    `order` are the institutions in the order of their turns; `turns` the outputs of each one's model on its own test
    part after each turn, by (turn, institution), in rounds that are looked at.
    """

    round: int
    losses: dict[str, float]
    traffic: list[Traffic]
    merges: list[Merge]
    broken: list[tuple[int, str, str]]  # (member, who, tensor)
    seconds: float
    notes: dict[tuple[str, str], float]
    order: list[int]
    turns: dict[tuple[int, int], np.ndarray]


class Evaluation(NamedTuple):
    """What a host says when models are tried: outputs by (model, institution, split), squared distances, messages."""

    outputs: dict[tuple[str, int, str], np.ndarray]
    distances: dict[int, float]
    traffic: list[Traffic]


class Host:
    """Builds its part of the world from a job and carries out rounds of the method's program."""

    def __init__(self, job: Job, me: int, transport: Transport) -> None:
        torch.set_num_threads(1)  # two threads would give other bits than one
        self.job, self.me, self.ledger = job, me, Ledger(job.delivery)
        self.world = self._world(transport)
        self.watch = dataclasses.replace(self.world, net=self.world.net.uncounted())
        self.own_parts = {i: self._inputs(_private(shard)) for i, shard in job.shards.items()}
        self.shared_parts = self._inputs(_shared(job))
        self.state = job.algorithm.start(self.world)
        self.ledger.take()

    # -------------------------------------------------------------------------------- what a run asks of it

    def advance(self, first: int, last: int) -> list[Outcome]:
        """Rounds first..last-1 of the program.

        Behind a round that diverged there is none; only where other hosts wait for messages it goes on.
        """
        alone = all(place == self.me for places in self.job.hosts.values() for place in places)
        done: list[Outcome] = []
        while len(done) < last - first and not (alone and done and done[-1].broken):
            done.append(self._round(first + len(done)))
        return done

    def predict(self, round_: int, pooled: tuple[int, ...], merged: bool) -> Evaluation:
        """Outputs of the models as they are after a round, and squared distances from the mean of all models.

        Each model is tried on its own institution's parts; those of the institutions in `pooled`, and the merged
        model, also on all test parts together and on the external institution. The distances are empty unless
        `merged`: then institution 0's host averages all models first.
        """
        local = self.job.algorithm.models(self.state, self.watch)
        found: dict = {}
        for i, weights in local.values.items():
            parts = self.own_parts[i] | (self.shared_parts if i in pooled else {})
            tried = self._tried(i, weights)
            found |= {("local", i, split): self._outputs(tried, x) for split, x in parts.items()}
        self.count_evaluation(round_)
        if not merged:
            return Evaluation(found, {}, self.ledger.take())
        mean = self._mean(local)
        for i, weights in mean.values.items():
            parts = self.own_parts[i] | (self.shared_parts if i == 0 else {})
            tried = self._tried(i, weights)
            found |= {("merged", i, split): self._outputs(tried, x) for split, x in parts.items()}
        distances = {
            i: float((weights["params"].double() - mean.values[i]["params"].double()).square().sum())
            for i, weights in local.values.items()
        }
        return Evaluation(found, distances, self.ledger.take())

    def save(self) -> dict[str, Any]:
        """The state as trees: {"field/member": tree} for this host's members, {"field": value} for plain fields."""
        plain = {name: value for name, value in vars(self.state).items() if not isinstance(value, Located)}
        return plain | {f"{name}/{i}": tree for name, located in self.fields() for i, tree in located.values.items()}

    def load(self, saved: dict[str, Any]) -> None:
        """The inverse of `save`; `saved` may hold more members than live here, and those are left out."""
        fields: dict[str, dict] = {name: {} for name, _ in self.fields()}
        plain = {key: value for key, value in saved.items() if "/" not in key}
        for key, tree in ((key, tree) for key, tree in saved.items() if key not in plain):
            name, member = key.rsplit("/", 1)
            if int(member) in self.group_of(name).here:
                fields[name][int(member)] = tree_map(lambda tensor: tensor.to(self.job.device), tree)
        located = {name: Located(dict(sorted(trees.items()))) for name, trees in fields.items()}
        self.state = dataclasses.replace(self.state, **plain, **located)

    def models(self) -> dict[int, Weights]:
        """The whole model that each institution of this host would use."""
        return self.job.algorithm.models(self.state, self.watch).values

    def parts(self) -> dict[str, dict[int, Weights]]:
        """The pieces of models as they are held (bottom, trunk, head), for methods that hold pieces."""
        parts = getattr(self.job.algorithm, "parts", None)
        return {name: located.values for name, located in parts(self.state).items()} if parts else {}

    # ----------------------------------------------------------------------------------------- how it does it

    def _world(self, transport: Transport) -> World:
        job, apply = self.job, packed if self.job.packed else one_by_one
        dtype = getattr(torch, job.dtype)
        network = network_of(job, dtype, job.device)
        training = job.algorithm
        rates = training.lr_schedule.rates(training.lr, job.rounds)
        learner = Learner(network, job.task.loss, training, training.rule(), rates, job.seed)
        places = job.hosts

        def group(kind: str, names: tuple[str, ...]) -> Group:
            return Group(kind, names, (i for i in range(len(names)) if places[kind][i] == self.me), apply)

        institutions, server = group("institution", job.names), group("server", job.servers)
        net = Net(self.me, lambda kind, i: places[kind][i], transport, self.ledger).deferred()
        return World(
            institutions, server, net, learner,
            job.sizes, job.example, institutions.each(lambda i: self._tensors(job.shards[i].train)),
            server.each(lambda s: self._tensors(job.pool)) if job.pool else Located({}), job.blocks, job.label_holder,
            merge=job.merge,
        )  # fmt: skip

    def _tensors(self, part: Part) -> tuple[torch.Tensor, torch.Tensor]:
        """A part's examples and targets, floats in the run's dtype, on its device."""
        dtype = getattr(torch, self.job.dtype)
        x, y = torch.tensor(part.x), torch.tensor(part.y)
        y = y.to(dtype) if y.is_floating_point() else y
        return x.to(dtype).to(self.job.device), y.to(self.job.device)

    def _round(self, t: int) -> Outcome:
        began, world = time.perf_counter(), self.world
        self.ledger.round = t + 1
        turns: dict[tuple[int, int], np.ndarray] = {}
        world.watch_turn = self._watch(turns) if self._looks_at_turns(t + 1) else None
        self.state = self.job.algorithm.round(self.state, self.job.schedule.tick(t), world)
        losses = {name: float(total) / weight for name, (total, weight) in world.losses.items()}
        notes = {who: total / weight for who, (total, weight) in world.notes.items()}
        broken = self._broken() + self._lost(losses)
        outcome = Outcome(
            t + 1, losses, self.ledger.take(), list(world.merges), broken, time.perf_counter() - began, notes,
            list(world.turns), turns,
        )  # fmt: skip
        for seen in (world.losses, world.notes, world.merges, world.turns):
            seen.clear()
        return outcome

    def _looks_at_turns(self, round_: int) -> bool:
        every = self.job.turns_every
        return every is not None and (round_ % every == 0 or round_ == self.job.rounds)

    def _watch(self, seen: dict[tuple[int, int], np.ndarray]) -> Callable:
        """What to do after a turn: try every institution's model as it is then on its own test part."""

        def look(turn: int, models: Callable[[World], Located]) -> None:
            for i, weights in models(self.watch).values.items():
                if "test" in self.own_parts[i]:
                    seen[turn, i] = self._outputs(weights, self.own_parts[i]["test"])

        return look

    def fields(self) -> list[tuple[str, Located]]:
        """The located values of the state, by field name."""
        values = ((field.name, getattr(self.state, field.name)) for field in dataclasses.fields(self.state))
        return [(name, value) for name, value in values if isinstance(value, Located)]

    def count_evaluation(self, round_: int) -> None:
        """Note what a deployment would have to send to try the models, where the method cannot do it at home."""
        self.ledger.round = round_
        count = getattr(self.job.algorithm, "count_evaluation", None)
        for i, parts in self.own_parts.items() if count else ():
            for x in parts.values():
                count(self.world, i, x)

    def group_of(self, name: str) -> Group:
        """Where a field of the state lives: at the server if its name says so, else at the institutions."""
        return self.world.server if name.startswith("server") else self.world.institutions

    def _broken(self) -> list[tuple[int, str, str]]:
        """Members whose state holds a NaN or an infinity, each with the first such tensor."""
        found = []
        for name, located in self.fields():
            if all(_finite(tensor) for _, tree in located.held for tensor in flatten(tree)[1]):
                continue
            group = self.group_of(name)
            for i, tree in located.values.items():
                bad = next((tensor for tensor in flatten(tree)[1] if not _finite(tensor)), None)
                if bad is not None:
                    found.append((i, group.names[i], f"{name}: {self._name(bad)}"))
        return found

    def _lost(self, losses: dict[str, float]) -> list[tuple[int, str, str]]:
        """Participants whose training loss is not finite; they come after those with a broken state."""
        names = (*self.world.institutions.names, *self.world.server.names)
        lost = [who for who, loss in losses.items() if not math.isfinite(loss)]
        return [(len(names) + names.index(who), who, LOSS) for who in lost]

    def _name(self, tensor: torch.Tensor) -> str:
        """What to call a non-finite tensor: the parameter, where it is a row of the whole model."""
        position = int((~torch.isfinite(tensor.flatten())).nonzero()[0])
        network = self.world.learner.network
        whole = tensor.dim() == 1 and tensor.numel() == network.params.size
        return network.tensor_at(position) if whole else f"position {position} of a tensor {list(tensor.shape)}"

    def _inputs(self, parts: dict[str, Part]) -> dict[str, torch.Tensor]:
        return {split: self._tensors(part)[0] for split, part in parts.items() if len(part)}

    def _outputs(self, weights: Weights, x: torch.Tensor) -> np.ndarray:
        network = self.world.learner.network
        with torch.no_grad():
            outputs = [network.forward(weights, settled(piece), train=False)[0] for piece in x.split(256)]
            return torch.cat(outputs).cpu().numpy()

    def _tried(self, i: int, weights: Weights) -> Weights:
        """A model as institution i tries it: with BatchNorm's statistics of its own examples, if so chosen."""
        if not self.job.recalibrate:
            return weights
        x, batch = self.world.shards.values[i][0], self.job.algorithm.batch
        return recalibrated(self.world.learner.network, weights, x, batch)

    def _mean(self, models: Located) -> Located:
        """The equally weighted mean of all models, at every institution."""
        everyone, shares = self.watch.institutions, [1 / len(self.job.names)] * len(self.job.names)
        mean = self.watch.net.average(models, shares, everyone, everyone, 0, "weights")
        return self.watch.net.broadcast(mean, everyone, 0, everyone, "weights")


def _finite(tensor: torch.Tensor) -> bool:
    """Whether every number is; the sum is quick to try, but may overflow where no number does."""
    if not tensor.is_floating_point():
        return True
    return bool(torch.isfinite(tensor.sum())) or bool(torch.isfinite(tensor).all())


def _private(shard: Shard) -> dict[str, Part]:
    return {"validation": shard.validation, "test": shard.test}


def _shared(job: Job) -> dict[str, Part]:
    """The test parts of all institutions together, and the external institution's."""
    x, y = (np.concatenate([getattr(part, side) for part in job.tests]) for side in ("x", "y"))
    return {"pooled": Part(x, y)} | ({"external": job.external} if job.external else {})
