"""One step with a local loss: an institution steps by itself, and some batches go up to the server for good."""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._steps import Flight, Route
from swarmsim.lazy import torch
from swarmsim.local.clipping import clip_factor, square
from swarmsim.local.halves import step
from swarmsim.local.passes import Pass, forward, forward_on
from swarmsim.network.located import Located

__all__ = ["ascend", "descend", "local_pass", "stepped"]


def ascend(route: Route, state: Any, batches: Located) -> tuple[Any, Flight]:
    """The institutions' own step; what the server gets is on its way."""
    bottom, top = route.chain
    institutions, links = route.institutions, (bottom, *route.chain.beside)
    examples = institutions.each(lambda i, batch: batch[route.k], batches)

    def own(i: int, held: dict, batch: tuple) -> tuple:
        here, loss = local_pass(route, i, held, batch)
        found = torch.autograd.grad(loss, [each.params for each in here])
        parts = stepped(route, [held[link.name] for link in links], here, found)
        return dict(zip([link.name for link in links], parts, strict=True)), here[0].output.detach()

    members = Located({i: state.members.values[i] for i in institutions.here})
    done = institutions.each(own, members, examples)
    for link in links:
        state = route.put(state, link, done[0][link.name])
    values, labels = Located({}), Located({})
    if route.method.goes_up(route.k):
        values = route.carry(done[1], bottom, top, "smashed_data")
        labels = route.carry(examples[1], bottom, top, "labels")
    institutions.each(lambda i, batch: batch.ahead(route.k + 1), batches)
    return state, Flight(route, {}, values, labels)


def descend(flight: Flight, state: Any) -> Any:
    """The top's step on what arrived; nothing comes back."""
    route, (_, top) = flight.route, flight.route.chain
    if not route.method.goes_up(route.k):
        return state

    def serve(m: int, part: dict, z: list, y: list) -> dict:
        here = forward(top.segment, part["weights"], torch.cat(z), route.seed(route.who[0]), differentiate_x=False)
        found = torch.autograd.grad(route.world.learner.loss(here.output, torch.cat(y)), [here.params])
        return stepped(route, [part], [here], found)[0]

    served = route.group(top).each(serve, route.held(state, top), flight.values, flight.labels)
    return route.put(state, top, served)


def local_pass(route: Route, i: int, held: dict, batch: tuple) -> tuple[list[Pass], torch.Tensor]:
    """The passes of an institution's bottom and auxiliary head, in one graph, and the loss between them and y."""
    bottom, (auxiliary,) = route.chain[0], route.chain.beside
    below = forward(bottom.segment, held[bottom.name]["weights"], batch[0], route.seed(i), differentiate_x=False)
    above = forward_on(auxiliary.segment, held[auxiliary.name]["weights"], below.output, None)
    loss = route.world.learner.loss(above.output, batch[1])
    route.note(i, loss, len(batch[1]))
    return [below, above], loss


def stepped(route: Route, parts: list[dict], passes: list[Pass], gradients: Any) -> list[dict]:
    """Parts of one holder after a step along their gradients, clipped by their joint norm, with moved statistics."""
    learner, clip = route.world.learner, route.method.clip
    if clip is not None:
        factor = clip_factor([square(gradient) for gradient in gradients], clip)
        gradients = [gradient * factor for gradient in gradients]
    moved = [{**part, "weights": here.after} for part, here in zip(parts, passes, strict=True)]
    rate = learner.rates[route.t]
    return [step(learner, part, gradient, rate) for part, gradient in zip(moved, gradients, strict=True)]
