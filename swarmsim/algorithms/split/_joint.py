"""The same step of the joint model on the joined columns: what vertical split learning must equal. For one host."""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._steps import Flight, Route, apply
from swarmsim.lazy import torch
from swarmsim.local.halves import compose
from swarmsim.local.passes import forward
from swarmsim.network.located import Located

__all__ = ["ascend", "descend"]


def ascend(route: Route, state: Any, batches: Located) -> tuple[Any, Flight]:
    """The pass of the joint model, at the weights of now."""
    network, places = route.world.learner.network, _places(route)
    examples = [batches.values[i][route.k] for i in route.who]
    weights = compose([route.held(state, link).values[m]["weights"] for link, m in places])
    x = torch.cat([x for x, _ in examples], 1)
    here = forward(network, weights, x, route.seed(route.world.label_holder), differentiate_x=False)
    for (link, m), after in zip(places, _sliced(route, places, here.after), strict=True):
        part = route.held(state, link).values[m]
        moved = {**after, "params": part["weights"]["params"]}
        state = route.put(state, link, Located({m: {**part, "weights": moved}}))
    return state, Flight(route, {"joint": here}, Located({}), [examples[route.world.label_holder][1]])


def descend(flight: Flight, state: Any) -> Any:
    """The joint model's gradient, and a step of each part along its slice of it."""
    route, here, labels = flight.route, flight.passes["joint"], flight.labels
    gradient, _ = here.backward_from(route.world.learner.loss(here.output, labels[0]))
    route.note_all([here.output.detach()], labels)
    gradients: dict[str, dict] = {}
    places = _places(route)
    for (link, m), piece in zip(places, _sliced(route, places, {"params": gradient}), strict=True):
        gradients.setdefault(link.name, {})[m] = piece["params"]
    return apply(route, state, {name: Located(each) for name, each in gradients.items()})


def _places(route: Route) -> list:
    """(part, holder) in the order of the joint model's row."""
    return [(link, m) for link in route.chain for m in (route.who if link.own else [route.at(link)])]


def _sliced(route: Route, places: list, rows: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """The parts of the joint model's rows."""
    segments = [link.segment_of(m) for link, m in places]
    pieces = {kind: row.split([getattr(segment, kind).size for segment in segments]) for kind, row in rows.items()}
    return [{kind: pieces[kind][place] for kind in rows} for place in range(len(places))]
