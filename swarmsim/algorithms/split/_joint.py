"""The same step of the joint model on the joined columns: what vertical split learning must equal. For one host.

One graph goes from all columns to the loss; it is begun with the weights of the way up, and the last part joins it
on the way down, so that batches in flight see the weights that they see in the parts.
"""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._chain import Link
from swarmsim.algorithms.split._steps import Flight, Route, apply
from swarmsim.lazy import torch
from swarmsim.local.halves import compose
from swarmsim.local.passes import forward, forward_on
from swarmsim.network.located import Located

__all__ = ["ascend", "descend"]


def ascend(route: Route, state: Any, batches: Located) -> tuple[Any, Flight]:
    """The joint model's pass up to its last part; the columns of who is away are missing."""
    home, examples = route.world.label_holder, {i: batches.values[i][route.k] for i in route.who}
    places = _places(route)[:-1]
    joint = route.world.learner.network.segment(0, route.chain[-1].segment.first)
    weights = compose([_held(state, link, m)["weights"] for link, m in places])
    rows = examples[home][0]
    gone = [rows.new_full((len(rows), block.size), torch.nan) for block in route.world.blocks]
    x = torch.cat([examples[i][0] if i in examples else nothing for i, nothing in enumerate(gone)], 1)
    here = forward(joint, weights, x, route.seed(home), differentiate_x=False)
    return _moved(route, state, places, here.after), Flight(route, {"joint": here}, Located({}), [examples[home][1]])


def descend(flight: Flight, state: Any) -> Any:
    """The last part, the gradient of everything in one piece, and a step of each part along its slice."""
    route, below, labels = flight.route, flight.passes["joint"], flight.labels
    (last, m), inner = _places(route)[-1], _places(route)[:-1]
    weights = _held(state, last, m)["weights"]
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
    """(part, holder) in the order of the joint model's row, whoever is away."""
    everyone = route.world.institutions.members
    return [(link, m) for link in route.chain for m in (everyone if link.own else [route.at(link)])]


def _held(state: Any, link: Link, m: int) -> dict:
    """A part as its holder has it."""
    located = state.server_parts if link.group == "server" else state.members
    return located.values[m][link.name]


def _moved(route: Route, state: Any, places: list, after: dict[str, torch.Tensor]) -> Any:
    """The state with the statistics that a pass through some parts has moved."""
    for (link, m), rows in zip(places, _sliced(places, after), strict=True):
        if link.own and m not in route.who:
            continue
        part = _held(state, link, m)
        state = route.put(state, link, Located({m: {**part, "weights": {**rows, "params": part["weights"]["params"]}}}))
    return state


def _sliced(places: list, rows: dict[str, torch.Tensor]) -> list[dict[str, torch.Tensor]]:
    """The parts of rows that belong to several of them, one behind the other."""
    segments = [link.segment_of(m) for link, m in places]
    pieces = {kind: row.split([getattr(segment, kind).size for segment in segments]) for kind, row in rows.items()}
    return [{kind: pieces[kind][place] for kind in rows} for place in range(len(places))]
