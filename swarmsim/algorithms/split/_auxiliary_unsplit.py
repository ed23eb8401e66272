"""The same step in one piece: both losses of a batch added up and differentiated once, the cut being a detached value.

For a runtime with a single host.
"""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._auxiliary import local_pass, stepped
from swarmsim.algorithms.split._steps import Flight, Route
from swarmsim.lazy import torch
from swarmsim.local.passes import forward_on
from swarmsim.network.located import Located

__all__ = ["ascend", "descend"]


def ascend(route: Route, state: Any, batches: Located) -> tuple[Any, Flight]:
    """The whole step of one institution's batch."""
    (i,), (bottom, top), (auxiliary,) = route.who, route.chain, route.chain.beside
    batch, held = batches.values[i][route.k], state.members.values[i]
    own, loss = local_pass(route, i, held, batch)
    groups = [([bottom, auxiliary], own)]
    if route.method.goes_up(route.k):
        weights = route.held(state, top).values[route.at(top)]["weights"]
        served = forward_on(top.segment, weights, own[0].output.detach(), route.seed(i))
        loss = loss + route.world.learner.loss(served.output, batch[1])
        groups.append(([top], [served]))
    gradients = iter(torch.autograd.grad(loss, [here.params for _, passes in groups for here in passes]))
    for links, passes in groups:
        parts = [route.held(state, link).values[route.at(link) if not link.own else i] for link in links]
        after = stepped(route, parts, passes, [next(gradients) for _ in links])
        for link, part in zip(links, after, strict=True):
            state = route.put(state, link, Located({i if link.own else route.at(link): part}))
    return state, Flight(route, {}, Located({}), Located({}))


def descend(flight: Flight, state: Any) -> Any:
    """Nothing is left to do."""
    return state
