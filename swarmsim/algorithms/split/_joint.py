"""The same step of the joint model on the joined columns: what vertical split learning must equal. For one host.

One graph goes from all columns to the loss; it is begun with the weights of the way up, and the last part joins it
on the way down, so that batches in flight see the weights that they see in the parts.
"""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._steps import Flight, Route, apply
from swarmsim.lazy import torch
from swarmsim.local.halves import compose
from swarmsim.local.passes import forward, forward_on
from swarmsim.network.located import Located

__all__ = ["ascend", "descend"]


def ascend(route: Route, state: Any, batches: Located) -> tuple[Any, Flight]:
    """The joint model's pass up to its last part."""
    home, examples = route.world.label_holder, [batches.values[i][route.k] for i in route.who]
    places = _places(route)[:-1]
    joint = route.world.learner.network.segment(0, route.chain[-1].segment.first)
    weights = compose([route.held(state, link).values[m]["weights"] for link, m in places])
    x = torch.cat([x for x, _ in examples], 1)
    here = forward(joint, weights, x, route.seed(home), differentiate_x=False)
    return _moved(route, state, places, here.after), Flight(route, {"joint": here}, Located({}), [examples[home][1]])


def descend(flight: Flight, state: Any) -> Any:
    """The last part, the gradient of everything in one piece, and a step of each part along its slice."""
    route, below, labels = flight.route, flight.passes["joint"], flight.labels
    (last, m), inner = _places(route)[-1], _places(route)[:-1]
    weights = route.held(state, last).values[m]["weights"]
    above = forward_on(last.segment, weights, below.output, route.seed(m))
    state = _moved(route, state, [(last, m)], above.after)
    loss = route.world.learner.loss(above.output, labels[0])
    joint, own = torch.autograd.grad(loss, [below.params, above.params])
    route.note_all([above.output.detach()], labels)
    gradients: dict[str, dict] = {last.name: {m: own}}
    for (link, holder), piece in zip(inner, _sliced(inner, {"params": joint}), strict=True):
        gradients.setdefault(link.name, {})[holder] = piece["params"]
    return apply(route, state, {name: Located(each) for name, each in gradients.items()})


def _places(route: Route) -> list:
    """(part, holder) in the order of the joint model's row."""
    return [(link, m) for link in route.chain for m in (route.who if link.own else [route.at(link)])]


def _moved(route: Route, state: Any, places: list, after: dict[str, torch.Tensor]) -> Any:
    """The state with the statistics that a pass through some parts has moved."""
    for (link, m), rows in zip(places, _sliced(places, after), strict=True):
        part = route.held(state, link).values[m]
        state = route.put(state, link, Located({m: {**part, "weights": {**rows, "params": part["weights"]["params"]}}}))
    return state


def _sliced(places: list, rows: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """The parts of rows that belong to several of them, one behind the other."""
    segments = [link.segment_of(m) for link, m in places]
    pieces = {kind: row.split([getattr(segment, kind).size for segment in segments]) for kind, row in rows.items()}
    return [{kind: pieces[kind][place] for kind in rows} for place in range(len(places))]
