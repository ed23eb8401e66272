"""One step of split learning on the k-th batches of some institutions: split, and the unsplit twin it must equal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from swarmsim.lazy import torch
from swarmsim.local.halves import serve, step, trunk_backward, trunk_forward
from swarmsim.local.passes import Pass, forward, forward_on
from swarmsim.network.located import Group, Located

__all__ = ["split_step", "unsplit_step"]


@dataclass(frozen=True)
class _Batch:
    """The k-th batches of the institutions `who` in one round, and where they are served."""

    method: Any
    who: list[int]
    k: int
    batches: Located
    t: int
    world: Any

    @cached_property
    def parts(self) -> dict:
        return self.method.parts_of(self.world.learner.network)

    @cached_property
    def institutions(self) -> Group:
        return self.world.institutions.only(self.who)

    @cached_property
    def server(self) -> Group:
        return self.world.server.only([self.copy])

    @property
    def copy(self) -> int:
        return self.method.copy_of(self.who[0])

    def seed(self, institution: int) -> tuple | None:
        """Where a pass draws its dropout masks from; parts that see several institutions go by the first."""
        address = self.world.learner.address(institution, self.t)
        return (*address, self.k) if address else None

    def examples(self, i: int, xy: tuple, index: list) -> tuple[torch.Tensor, torch.Tensor]:
        """(x, y) of institution i's batch."""
        return xy[0][index[self.k]], xy[1][index[self.k]]

    def up(self, values: Located, kind: str) -> Located:
        """Each institution's tree to the server copy, as a list in order."""
        return self.world.net.gather(values, self.institutions, self.server, self.copy, kind)

    def down(self, values: Located, kind: str) -> Located:
        """The items of the server copy's list back to the institutions."""
        return self.world.net.scatter(values, self.server, self.copy, self.institutions, kind)

    def own(self, gradient: torch.Tensor, size: int, total: int) -> torch.Tensor:
        """A gradient of the joint mean loss, as that of the mean over one institution's examples if so chosen."""
        return gradient * (total / size) if self.method.cut_gradient == "own" else gradient

    def all_own(self, gradients: list[torch.Tensor]) -> list[torch.Tensor]:
        total = sum(len(gradient) for gradient in gradients)
        return [self.own(gradient, len(gradient), total) for gradient in gradients]

    def note(self, losses: list[torch.Tensor], labels: list[torch.Tensor], who: list[int] | None = None) -> None:
        """Report the institutions' losses, weighted by their batches."""
        for i, loss, y in zip(who or self.who, losses, labels, strict=True):
            self.world.note_loss(self.world.institutions.names[i], loss, len(y))


def split_step(method, state, who: list[int], k: int, batches: Located, tick, world):
    """The parts step, each at its holder: smashed data to the server, cut gradients back."""
    batch, learner, t = _Batch(method, who, k, batches, tick.t, world), world.learner, tick.t
    institutions, bottom = batch.institutions, batch.parts["bottom"]
    examples = institutions.each(batch.examples, world.shards, batches)
    passes = institutions.each(
        lambda i, held, xy: forward(bottom, held["bottom"]["weights"], xy[0], batch.seed(i), differentiate_x=False),
        state.members, examples,
    )  # fmt: skip
    z = batch.up(institutions.each(lambda i, here: here.output.detach(), passes), "smashed_data")
    served = _serve_with_labels if method.labels == "server" else _serve_between
    tops, cut_gradients, heads = served(batch, state, z, examples[1])

    def finish(i: int, held: dict, here: Pass, cut_gradient: torch.Tensor, *head: dict) -> dict:
        stepped = step(learner, held["bottom"], here, here.backward(cut_gradient)[0], t)
        return {"bottom": stepped} | ({"head": head[0]} if head else {})

    members = institutions.each(finish, state.members, passes, cut_gradients, *heads)
    return replace(state, members=state.members | members, server_tops=state.server_tops | tops)


def _serve_with_labels(batch: _Batch, state, z: Located, labels: Located) -> tuple[Located, Located, tuple]:
    """The labels go to the server, whose top computes the loss: (tops, cut gradients at the institutions, ())."""
    learner, top, seed, t = batch.world.learner, batch.parts["top"], batch.seed(batch.who[0]), batch.t
    y = batch.up(labels, "labels")
    served = batch.server.each(
        lambda s, member, z, y: serve(learner, top, member, z, y, seed, t), state.server_tops, z, y
    )
    batch.server.each(lambda s, out, y: batch.note(out[2], y), served, y)
    back = batch.server.each(lambda s, out: batch.all_own(out[1]), served)
    return served[0], batch.down(back, "cut_gradient"), ()


def _serve_between(batch: _Batch, state, z: Located, labels: Located) -> tuple[Located, Located, tuple]:
    """The trunk's output goes back to the institutions' heads: (trunks, cut gradients there, (heads,))."""
    learner, trunk, seed, t = batch.world.learner, batch.parts["top"], batch.seed(batch.who[0]), batch.t
    total = sum(learner.batch_size(batch.world.sizes[i], batch.k) for i in batch.who)
    passed = batch.server.each(lambda s, member, z: trunk_forward(trunk, member, z, seed), state.server_tops, z)
    u = batch.down(passed[1], "smashed_data")

    def head(i: int, held: dict, u: torch.Tensor, y: torch.Tensor) -> tuple:
        here = forward(batch.parts["head"], held["head"]["weights"], u, batch.seed(i), differentiate_x=True)
        loss = learner.loss(here.output, y)
        gradient, cut_gradient = here.backward_from(loss * (len(y) / total))  # a share of the mean over all
        batch.note([loss.detach().reshape(1)], [y], [i])
        return step(learner, held["head"], here, batch.own(gradient, len(y), total), t), cut_gradient

    heads = batch.institutions.each(head, state.members, u, labels)
    gradients = batch.up(heads[1], "cut_gradient")
    stepped = batch.server.each(
        lambda s, member, out, g: trunk_backward(learner, member, out[0], g, t), state.server_tops, passed, gradients
    )
    back = batch.server.each(lambda s, out: batch.all_own(out[1]), stepped)
    return stepped[0], batch.down(back, "cut_gradient"), (heads[0],)


def unsplit_step(method, state, who: list[int], k: int, batches: Located, tick, world):
    """The same step without a cut: one graph from the examples to the loss, differentiated in one piece.

    For a runtime with a single host; what it gives, the messages of `split_step` must give as well.
    """
    batch, learner = _Batch(method, who, k, batches, tick.t, world), world.learner
    parts, held, top = batch.parts, state.members.values, state.server_tops.values[batch.copy]
    examples = batch.institutions.each(batch.examples, world.shards, batches).values
    x, y = ([examples[i][side] for i in who] for side in (0, 1))
    seeds, sizes = [batch.seed(i) for i in who], [len(labels) for labels in y]

    bottoms = [
        forward(parts["bottom"], held[i]["bottom"]["weights"], x[place], seeds[place], differentiate_x=False)
        for place, i in enumerate(who)
    ]
    for here, size in zip(bottoms, sizes, strict=True):  # where the message would be, so that it rounds alike
        here.output.register_hook(lambda gradient, size=size: batch.own(gradient, size, sum(sizes)))
    trunk = forward_on(parts["top"], top["weights"], torch.cat([here.output for here in bottoms]), seeds[0])
    heads = []
    if "head" in parts:
        pieces = zip(who, trunk.output.split(sizes), seeds, strict=True)
        heads = [forward_on(parts["head"], held[i]["head"]["weights"], u, seed) for i, u, seed in pieces]
    outputs = torch.cat([here.output for here in heads or [trunk]])
    passes = [*bottoms, trunk, *heads]
    gradients = torch.autograd.grad(learner.loss(outputs, torch.cat(y)), [here.params for here in passes])

    owners = [*(held[i]["bottom"] for i in who), top, *(held[i]["head"] for i in who if heads)]
    shares = [*[sum(sizes)] * (len(who) + 1), *(sizes if heads else [])]  # the bottoms' gradients are scaled above
    gradients = [batch.own(gradient, share, sum(sizes)) for gradient, share in zip(gradients, shares, strict=True)]
    stepped = [step(learner, *each, tick.t) for each in zip(owners, passes, gradients, strict=True)]
    count = len(who)
    members = {
        i: {"bottom": stepped[place]} | ({"head": stepped[count + 1 + place]} if heads else {})
        for place, i in enumerate(who)
    }
    losses = [
        learner.loss(out, labels).reshape(1) for out, labels in zip(outputs.detach().split(sizes), y, strict=True)
    ]
    batch.note(losses, y)
    tops = state.server_tops | Located({batch.copy: stepped[count]})
    return replace(state, members=state.members | Located(members), server_tops=tops)
