"""The same step without a cut: one graph from the examples to the loss, differentiated in one piece.

For a runtime with a single host. What it gives, the messages of `_steps` must give as well.
"""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._chain import Link
from swarmsim.algorithms.split._steps import Flight, Route, apply
from swarmsim.lazy import torch
from swarmsim.local.passes import forward_on
from swarmsim.network.located import Located

__all__ = ["ascend", "descend"]


def ascend(route: Route, state: Any, batches: Located) -> tuple[Any, Flight]:
    """Forward through every part but the last, in one graph."""
    examples = [batches.values[i][route.k] for i in route.who]
    pieces, passes = [x for x, _ in examples], {}
    for link in route.chain.links[:-1]:
        state, passes[link.name], pieces = _forward(route, link, state, pieces)
        if link is route.chain[0]:
            pieces = _at_the_cut(route, pieces)
    return state, Flight(route, passes, pieces, [y for _, y in examples])


def descend(flight: Flight, state: Any) -> Any:
    """The last part, the mean loss over all examples, its gradient in all parts at once, and their steps."""
    route, labels = flight.route, flight.labels
    last = route.chain[-1]
    state, here, outputs = _forward(route, last, state, flight.values)
    passes = {**flight.passes, last.name: here}
    loss = route.world.learner.loss(torch.cat(outputs), torch.cat(labels))
    places = [(name, m, each) for name, located in passes.items() for m, each in located.values.items()]
    found = torch.autograd.grad(loss, [each.params for _, _, each in places])
    gradients: dict[str, dict] = {}
    for (name, m, _), gradient in zip(places, found, strict=True):
        gradients.setdefault(name, {})[m] = gradient
    route.note_all([output.detach() for output in outputs], labels)
    return apply(route, state, {name: Located(each) for name, each in gradients.items()})


def _forward(route: Route, link: Link, state: Any, pieces: list) -> tuple[Any, Located, list]:
    held = route.held(state, link).values
    if link.own:
        passes = {
            i: forward_on(link.segment, held[i]["weights"], x, route.seed(i))
            for i, x in zip(route.who, pieces, strict=True)
        }
        outputs = [passes[i].output for i in route.who]
    else:
        (m,) = held
        passes = {m: forward_on(link.segment, held[m]["weights"], torch.cat(pieces), route.seed(route.who[0]))}
        outputs = list(passes[m].output.split(route.sizes))
    moved = Located({m: {**held[m], "weights": here.after} for m, here in passes.items()})
    return route.put(state, link, moved), Located(passes), outputs


def _at_the_cut(route: Route, pieces: list) -> list:
    """The pieces as they are, and on the way back what the server does to the cut gradients of all institutions."""
    together = torch.cat(pieces)
    together.register_hook(
        lambda gradient: torch.cat(route.method.cut_gradients(list(gradient.split(route.sizes)), route))
    )
    return list(together.split(route.sizes))
