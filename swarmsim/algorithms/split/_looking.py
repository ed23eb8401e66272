"""Looking at a split model: the whole model of each institution, and what trying it would cost."""

from __future__ import annotations

from typing import Any

from swarmsim.algorithms.split._chain import Chain, Link
from swarmsim.lazy import torch
from swarmsim.local.halves import compose
from swarmsim.local.recalibration import recalibrated
from swarmsim.local.sharing import exchange
from swarmsim.network.located import Group, Located

__all__ = ["count_evaluation", "parts_held", "whole_models"]


def whole_models(method: Any, chain: Chain, state: Any, world: Any) -> Located:
    """The rows of each institution's model: its own parts, or the latest ones, with those held for all."""
    found = [_as_used(method, link, state, world) for link in chain]
    models = world.institutions.each(lambda i, *parts: compose(list(parts)), *found)
    if method.batch_norm != "recalibrate":
        return models
    network, batch = world.learner.network, world.learner.training.batch
    return world.institutions.each(lambda i, row, xy: recalibrated(network, row, xy[0], batch), models, world.shards)


def count_evaluation(method: Any, chain: Chain, world: Any, institution: int, x: torch.Tensor) -> None:
    """Note the messages that trying the model on examples x [m, ...] of an institution would need.

    What crosses a cut on the way through the chain, and the outputs on their way back from the last part.
    """
    home = (world.institutions, institution)
    place, here = home, x[:1]
    with torch.no_grad():
        for link in chain:
            there = _place(method, link, world, institution)
            _note(world, place, there, "eval_smashed_data", here, len(x))
            here = link.segment.forward(link.segment.initial(), here, train=False)[0]
            place = there
        _note(world, place, home, "eval_control", here, len(x))


def parts_held(state: Any) -> dict[str, Located]:
    """The weights of every part at each of its holders, by its name."""
    held: dict[str, dict] = {}
    for located in (state.members, state.server_parts):
        for m, parts in located.values.items():
            for name, part in parts.items():
                held.setdefault(name, {})[m] = part["weights"]
    return {name: Located(values) for name, values in held.items()}


def _as_used(method: Any, link: Link, state: Any, world: Any) -> Located:
    """A part's weights at every institution that needs them."""
    institutions, server, net = world.institutions, world.server, world.net
    if link.group == "server":
        held = Located({m: state.server_parts.values[m][link.name]["weights"] for m in _here(server, link, state)})
        copies = range(method.copies_of(len(institutions.members)))
        arrived = Located({})
        for c in copies:
            served = institutions.only(i for i in institutions.members if method.copy_of(i, world) == c)
            arrived |= net.broadcast(held, server, link.at + c, served, "weights")
        return arrived
    if link.own:
        held = Located({i: state.members.values[i][link.name]["weights"] for i in institutions.here})
        if not method.hands_over or (link.name == "head" and method.heads == "private"):
            return held
        for had, circle in zip(state.had, method.circles(world), strict=True):
            group = institutions.only(circle)

            def latest(values: Located, kind: str, holder: int = had[-1], group: Group = group) -> Located:
                return net.broadcast(values, institutions, holder, group, kind)

            held |= exchange(latest, held, held, group, method.shared(link.segment))
        return held
    held = Located({i: state.members.values[i][link.name]["weights"] for i in institutions.here if i == link.at})
    return net.broadcast(held, institutions, link.at, institutions, "weights")


def _here(server: Any, link: Link, state: Any) -> list[int]:
    return [m for m in server.here if link.name in state.server_parts.values[m]]


def _place(method: Any, link: Link, world: Any, institution: int) -> tuple:
    if link.own:
        return world.institutions, institution
    if link.group == "server":
        return world.server, link.at + method.copy_of(institution, world)
    return world.institutions, link.at


def _note(world: Any, src: tuple, dst: tuple, kind: str, value: torch.Tensor, count: int) -> None:
    """Count `count` examples of one value [1, ...], where the two ends are not one participant."""
    if (src[0].kind, src[1]) != (dst[0].kind, dst[1]):
        world.net.note(*src, *dst, kind, value.numel() * value.element_size() * count)
