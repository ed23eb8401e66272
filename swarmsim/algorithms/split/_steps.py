"""One step of split learning: batches go up the chain of parts as smashed data, and down again as cut gradients.

On the way up every part but the last computes; on the way down the last part computes the loss, and every part
its gradient, at the weights that its forward pass used. In between other batches may be in flight.

Shapes: a value at the institutions is [B_i, ...] at each; at a part held for all, a list of them, an item an
institution, computed as one batch [sum B_i, ...].
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from swarmsim.algorithms.split._chain import Chain, Link
from swarmsim.algorithms.split._clipping import clipped
from swarmsim.lazy import torch
from swarmsim.local.halves import step
from swarmsim.local.passes import Pass, forward
from swarmsim.network.located import Group, Located

__all__ = ["Flight", "Route", "apply", "ascend", "descend"]


@dataclass(frozen=True)
class Route:
    """The k-th batches of the institutions `who` in round t, and the chain that they travel through."""

    method: Any
    chain: Chain
    who: list[int]
    k: int
    t: int
    world: Any

    @cached_property
    def institutions(self) -> Group:
        return self.world.institutions.only(self.who)

    @cached_property
    def net(self) -> Any:
        """The net, where nobody waits for a batch before its own turn with it."""
        return self.world.net.deferred()

    @cached_property
    def sizes(self) -> list[int]:
        """Examples of each institution's batch."""
        learner, sizes = self.world.learner, self.world.sizes
        return [learner.batch_size(sizes[i], self.k) for i in self.who]

    def join(self, values: list[torch.Tensor], at: Link) -> torch.Tensor:
        """What institutions sent to a part, as one batch: their examples one behind the other."""
        return torch.cat(values)

    def pieces(self, whole: torch.Tensor) -> list[torch.Tensor]:
        """An output of one batch, an item an institution."""
        return list(whole.split(self.sizes))

    def cut(self, gradient: torch.Tensor, above: Link) -> list[torch.Tensor]:
        """The gradient of a joined input, as it goes to the holders of the part above: an item an institution."""
        pieces = list(gradient.split(self.sizes))
        return self.method.cut_gradients(pieces, self) if above is self.chain[0] else pieces

    def carry_labels(self, labels: Located) -> Located:
        """The labels [B_i] of every institution at the holder of the last part, as a list in order."""
        return self.carry(labels, self.chain[0], self.chain[-1], "labels")

    def at(self, link: Link) -> int:
        """The member that holds a part for all."""
        return link.at + (self.method.copy_of(self.who[0], self.world) if link.group == "server" else 0)

    def group(self, link: Link) -> Group:
        """Who computes a part."""
        return self.groups[link.name]

    @cached_property
    def groups(self) -> dict[str, Group]:
        """Who computes each part, by its name."""
        own, holders = self.institutions, {"server": self.world.server, "institution": self.world.institutions}
        parts = (*self.chain, *self.chain.beside)
        return {part.name: own if part.own else holders[part.group].only([self.at(part)]) for part in parts}

    def held(self, state: Any, link: Link) -> Located:
        """The part, as its holders have it: {"weights": ..., "optimizer": ...}."""
        members = _members(state, link).values
        return Located({m: members[m][link.name] for m in self.group(link).here})

    def put(self, state: Any, link: Link, parts: Located) -> Any:
        """The state with other values of a part."""
        members = _members(state, link)
        newer = Located({m: {**members.values[m], link.name: part} for m, part in parts.values.items()})
        return replace(state, **{_field(link): members | newer})

    def carry(self, values: Located, src: Link, dst: Link, kind: str) -> Located:
        """What the holders of one part send to the holders of another."""
        net, here, there = self.net, self.group(src), self.group(dst)
        if src.own:
            return net.gather(values, here, there, self.at(dst), kind)
        if dst.own:
            return net.scatter(values, here, self.at(src), there, kind)
        return net.send(values, here, there, kind, {self.at(src): self.at(dst)})

    def seed(self, institution: int) -> tuple | None:
        """Where a pass draws its dropout masks from; parts that see several institutions go by the first."""
        address = self.world.learner.address(institution, self.t)
        return (*address, self.k) if address else None

    def note(self, institution: int, loss: torch.Tensor, size: int) -> None:
        self.world.note_loss(self.world.institutions.names[institution], loss.detach().reshape(1), size)

    def note_all(self, outputs: list[torch.Tensor], labels: list[torch.Tensor]) -> None:
        """Report each institution's own loss, weighted by its batch."""
        for i, output, y in zip(self.who, outputs, labels, strict=True):
            self.note(i, self.world.learner.loss(output, y), len(y))


@dataclass(frozen=True)
class Flight:
    """Batches on their way: passes that wait for a gradient, and what the holder of the last part received."""

    route: Route
    passes: dict[str, Located]
    values: Located
    labels: Located


def ascend(route: Route, state: Any, batches: Located) -> tuple[Any, Flight]:
    """Forward through every part but the last; BatchNorm's statistics move now, weights do not."""
    chain, institutions, passes = route.chain, route.institutions, {}
    examples = institutions.each(lambda i, batch: batch[route.k], batches)
    values, labels = examples[0], examples[1]
    for link, following in itertools.pairwise(chain):
        state, passes[link.name], outputs = _forward(route, link, state, values)
        values = route.carry(outputs, link, following, "smashed_data")
    if not chain[-1].own:
        labels = route.carry_labels(labels)
    institutions.each(lambda i, batch: batch.ahead(route.k + 1), batches)
    return state, Flight(route, passes, values, labels)


def descend(flight: Flight, state: Any) -> Any:
    """The last part's pass and loss, every part's gradient, cut gradients on the way, and a step of each part."""
    route, passes = flight.route, dict(flight.passes)
    chain, last = route.chain, route.chain[-1]
    state, passes[last.name], _ = _forward(route, last, state, flight.values)
    lose = _loss_of_own if last.own else _loss_of_all
    found = route.group(last).each(lambda m, here, y: lose(route, m, here, y), passes[last.name], flight.labels)
    gradients = {last.name: found[0]}
    for link, above in itertools.pairwise(reversed(chain.links)):
        cut = found[1]
        if not link.own:
            cut = route.group(link).each(lambda m, whole, above=above: route.cut(whole, above), cut)
        arrived = route.carry(cut, link, above, "cut_gradient")
        found = route.group(above).each(
            lambda m, here, g: here.backward(g if isinstance(g, torch.Tensor) else torch.cat(g)),
            passes[above.name], arrived,
        )  # fmt: skip
        gradients[above.name] = found[0]
    return apply(route, state, gradients)


def apply(route: Route, state: Any, gradients: dict[str, Located]) -> Any:
    """An optimiser step of every part along its gradient [d]: scaled to one's own mean if so chosen, then clipped."""
    learner, total = route.world.learner, sum(route.sizes)
    if route.method.cut_gradient == "own":
        size = dict(zip(route.who, route.sizes, strict=True))
        for link in route.chain.own:
            scaled = route.institutions.each(lambda i, g: g * (total / size[i]), gradients[link.name])
            gradients = {**gradients, link.name: scaled}
    gradients = clipped(route, gradients)
    for link in route.chain:
        rate = learner.rates[route.t] * route.method.rate_of(link)
        stepped = route.group(link).each(
            lambda m, part, g, rate=rate: step(learner, part, g, rate), route.held(state, link), gradients[link.name]
        )
        state = route.put(state, link, stepped)
    return state


def _forward(route: Route, link: Link, state: Any, values: Located) -> tuple[Any, Located, Located]:
    """(state with moved statistics, passes, outputs) of one part at its holders."""
    group, inner = route.group(link), link is not route.chain[0]

    def one(m: int, part: dict, value: Any) -> Pass:
        x = value if link.own else route.join(value, link)
        return forward(link.segment_of(m), part["weights"], x, route.seed(m if link.own else route.who[0]), inner)

    def pieces(m: int, here: Pass) -> Any:
        output = here.output.detach()
        return output if link.own else route.pieces(output)

    held = route.held(state, link)
    passes = group.each(one, held, values)
    moved = group.each(lambda m, part, here: {**part, "weights": here.after}, held, passes)
    return route.put(state, link, moved), passes, group.each(pieces, passes)


def _loss_of_own(route: Route, i: int, here: Pass, y: torch.Tensor) -> tuple:
    """(gradient, cut gradient) of an institution's share of the mean loss over all, computed where its labels are."""
    loss = route.world.learner.loss(here.output, y)
    route.note(i, loss, len(y))
    return here.backward_from(loss * (len(y) / sum(route.sizes)))


def _loss_of_all(route: Route, m: int, here: Pass, labels: list[torch.Tensor]) -> tuple:
    """(gradient, cut gradient) of the mean loss over all institutions' examples, computed at one place."""
    found = here.backward_from(route.world.learner.loss(here.output, torch.cat(labels)))
    route.note_all(route.pieces(here.output.detach()), labels)
    return found


def _field(link: Link) -> str:
    return "server_parts" if link.group == "server" else "members"


def _members(state: Any, link: Link) -> Located:
    return getattr(state, _field(link))
