"""What happens to the institutions' own parts, and to the copies of the server's, between their steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from swarmsim.algorithms.split._chain import Chain, Link
from swarmsim.local.sharing import Shared, Verb, all_of, exchange, shares, statistics_of
from swarmsim.local.turns import passed, sender
from swarmsim.network.located import Group, Located

__all__ = ["State", "average_copies", "average_own", "average_statistics", "fresh", "hand_over"]


@dataclass(frozen=True)
class State:
    """What a round of horizontal split learning is a function of."""

    members: Located  # {"bottom": {"weights": ..., "optimizer": ...}, "head": ...}: the parts at an institution
    server_parts: Located  # the same at each server, and at each of its copies
    had: list[list[int]]  # who had the bottom in each circle, the latest last, where it is handed over


def hand_over(method: Any, chain: Chain, state: State, receiver: int, there: Sequence[int], world: Any) -> State:
    """The exchanged parts go to the institution whose turn it is, from the last who had them and is there."""
    institutions, server, net = world.institutions, world.server, world.net
    circle = next(c for c, members in enumerate(method.circles(world)) if receiver in members)
    holder = sender(state.had[circle], there, receiver)
    had = [*state.had[:circle], passed(state.had[circle], receiver), *state.had[circle + 1 :]]
    if holder is None:
        return replace(state, had=had)
    src, dst, between = institutions.only([holder]), institutions.only([receiver]), server.only([circle])

    def move(values: Located, kind: str) -> Located:
        if method.institution_weights == "handed_over":
            return net.send(values, src, dst, kind, {holder: receiver})
        deposited = net.send(values, src, between, kind, {holder: circle})
        return net.send(deposited, between, dst, kind, {circle: receiver})

    policy, members = method.optimizer_state or "handover", state.members
    for link in method.exchanged(chain):
        mine = _parts(members, link, institutions)
        weights = exchange(move, mine["weights"], mine["weights"], dst, method.shared(link.segment))
        optimizer = mine["optimizer"]
        if policy == "handover":
            optimizer = move(optimizer, "optimizer_state")
        elif policy == "reset":
            optimizer = dst.each(lambda i, w: world.learner.rule.start(w["params"]), weights)
        members = _with(members, link, dst.each(_member, weights, optimizer))
    return replace(state, members=members, had=had)


def average_own(method: Any, chain: Chain, state: State, there: Sequence[int], world: Any) -> State:
    """The exchanged parts of those there replaced by the mean of their circle, computed at the circle's server."""
    members = state.members
    for group, verb in _meetings(method, there, world):
        for link in method.exchanged(chain):
            mine = _parts(members, link, group)
            weights = exchange(verb, mine["weights"], mine["weights"], group, method.shared(link.segment))
            optimizer = mine["optimizer"]
            if method.optimizer_state == "average":
                optimizer = verb(optimizer, "optimizer_state")
            members = _with(members, link, group.each(_member, weights, optimizer))
    return replace(state, members=members)


def average_statistics(method: Any, chain: Chain, state: State, there: Sequence[int], world: Any) -> State:
    """BatchNorm's statistics of the own parts of those there replaced by their mean; weights stay as they are."""
    members = state.members
    for group, verb in _meetings(method, there, world):
        for link in chain.own:
            mine, kinds = _parts(members, link, group), statistics_of(link.segment)
            weights = exchange(verb, mine["weights"], mine["weights"], group, kinds)
            members = _with(members, link, group.each(_member, weights, mine["optimizer"]))
    return replace(state, members=members)


def average_copies(
    method: Any, chain: Chain, state: Any, copies: Sequence[int], world: Any, verb: Callable[[Group], Verb]
) -> Any:
    """Some copies of each part at the servers merged; `verb(group)` says how the copies' holders exchange rows."""
    parts = state.server_parts
    for link in chain:
        if link.group != "server":
            continue
        group = world.server.only(link.at + copy for copy in copies)
        mine = _parts(parts, link, group)
        merge = verb(group)
        kinds = all_of(link.segment) if method.batch_norm in ("shared", "average") else Shared(("params",))
        weights = exchange(merge, mine["weights"], mine["weights"], group, kinds)
        optimizer = mine["optimizer"]
        if method.optimizer_state == "average":
            optimizer = merge(optimizer, "optimizer_state")
        parts = _with(parts, link, group.each(_member, weights, optimizer))
    return replace(state, server_parts=parts)


def _meetings(method: Any, there: Sequence[int], world: Any) -> Iterator[tuple[Group, Verb]]:
    """Those there of each circle, with the verb that replaces their values by the weighted mean, at its server."""
    for c, circle in enumerate(method.circles(world)):
        circle = [i for i in circle if i in there]
        if not circle:
            continue
        group, p = world.institutions.only(circle), shares(method.weights, [world.sizes[i] for i in circle])

        def average(values: Located, kind: str, group: Group = group, p: list = p, c: int = c) -> Located:
            mean = world.net.average(values, p, group, world.server, c, kind)
            return world.net.broadcast(mean, world.server, c, group, kind)

        yield group, average


def fresh(method: Any, chain: Chain, state: State, there: Sequence[int], world: Any) -> State:
    """New optimisers for what was averaged (or is private), and for the copies of the servers' parts that serve."""
    rule = world.learner.rule
    members = state.members | world.institutions.only(there).each(lambda i, held: _fresh(rule, held), state.members)
    copies = {method.copy_of(i, world) for i in there} if method.copies != "one" else ()
    serving = sorted({link.at + copy for link in chain if link.group == "server" for copy in copies})
    parts = world.server.only(serving).each(lambda m, held: _fresh(rule, held), state.server_parts)
    return replace(state, members=members, server_parts=state.server_parts | parts)


def _fresh(rule: Any, held: dict) -> dict:
    return {name: {**part, "optimizer": rule.start(part["weights"]["params"])} for name, part in held.items()}


def _parts(held: Located, link: Link, group: Group) -> Located:
    return Located({m: held.values[m][link.name] for m in group.here})


def _with(held: Located, link: Link, parts: Located) -> Located:
    return held | Located({m: {**held.values[m], link.name: part} for m, part in parts.values.items()})


def _member(m: int, weights: dict, optimizer: dict) -> dict:
    return {"weights": weights, "optimizer": optimizer}
