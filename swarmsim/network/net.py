"""The net: the only way from one participant to another.

Every host runs the same program, so a message needs no address beyond its two ends: what one host sends to
another, the other receives in the order of the program. A message between members of one host is passed by
reference (values are never written to in place), and is counted all the same.

Summation runs in institution order, never in the order of arrival, so that any number of hosts gives the same
bits; products and sums are separate operations, so that no fused rounding depends on how values lie in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Any, Protocol

from swarmsim.lazy import torch
from swarmsim.network.arrivals import Arrivals
from swarmsim.network.ledger import Ledger
from swarmsim.network.located import Group, Located
from swarmsim.network.mixing import Reach, combine
from swarmsim.trees import concatenated, flatten, nbytes, settled, tree_map, unflatten
from swarmsim.types import Tick

__all__ = ["Net", "Place", "Transport", "weighted_sum"]

REMEMBERED = 64  # ticks whose reach is kept

Place = Callable[[str, int], int]  # (kind of group, member) -> host


class Transport(Protocol):
    """Carries trees between hosts, in order for each pair of hosts; sending never waits for the receiver."""

    def send(self, host: int, tree: Any) -> None: ...

    def receive(self, host: int) -> Any: ...


class Net:
    """The verbs. `me` is this host, `place` says which host a member lives on; without a ledger nothing is counted."""

    def __init__(
        self, me: int, place: Place, transport: Transport, ledger: Ledger | None, arrivals: Arrivals | None = None,
        defers: bool = False,
    ) -> None:  # fmt: skip
        """`arrivals` are those of a net on the same transport."""
        self._me, self._place, self._transport, self._ledger = me, place, transport, ledger
        self._arrivals, self._defers = arrivals or Arrivals(transport.receive), defers
        self._reaches: dict = {}

    def uncounted(self) -> Net:
        """The experimenter's view: the same verbs for looking at a run, which is not communication."""
        return self.counted_by(None)

    def counted_by(self, ledger: Ledger | None) -> Net:
        """The same verbs with another ledger."""
        return Net(self._me, self._place, self._transport, ledger, self._arrivals)

    def deferred(self) -> Net:
        """The same verbs, where a receiver waits when it first looks at what it got, which it must before a round ends.

        So it can go on with whatever is here already: which bits it computes depends on no message's time.
        """
        return Net(self._me, self._place, self._transport, self._ledger, self._arrivals, defers=True)

    def send(self, values: Located, src: Group, dst: Group, kind: str, route: Mapping[int, int] | None = None):
        """Each source member's tree to one destination member: `route[i]`, by default the member i itself.

        Returns the trees at their destinations, keyed by the destination; a route must not join two sources.
        """
        route = {i: i for i in src.members} if route is None else route
        if len(set(route.values())) != len(route):
            raise ValueError(f"net.send: two sources share a destination in {dict(route)}; use net.gather")
        arrived = self._carry(values, [(src, i, dst, j) for i, j in route.items()], kind)
        return self._located(
            lambda: {j: tree for (_, j), tree in sorted(arrived().items(), key=lambda item: item[0][1])}
        )

    def gather(self, values: Located, src: Group, dst: Group, at: int, kind: str) -> Located:
        """Every source member's tree at one destination member: {at: [tree, ...]} in member order."""
        arrived = self._carry(values, [(src, i, dst, at) for i in src.members], kind)
        return self._located(lambda: {at: list(arrived().values())} if at in dst.here else {})

    def broadcast(self, values: Located, src: Group, at: int, dst: Group, kind: str) -> Located:
        """One source member's tree at every destination member."""
        arrived = self._carry(values, [(src, at, dst, j) for j in dst.members], kind)
        return self._located(lambda: {j: tree for (_, j), tree in arrived().items()})

    def scatter(self, values: Located, src: Group, at: int, dst: Group, kind: str) -> Located:
        """The inverse of `gather`: the list at one source member, an item to each destination member, in order."""
        pieces = [self.send(values[k], src, dst, kind, {at: j}) for k, j in enumerate(dst.members)]
        return self._located(lambda: dict(sorted(pair for piece in pieces for pair in piece.values.items())))

    def average(self, values: Located, shares: Sequence[float], src: Group, dst: Group, at: int, kind: str) -> Located:
        """A weighted mean at one member: sum_i shares_i x_i, one share a source member, in member order."""
        return Located(
            {j: weighted_sum(shares, rows) for j, rows in self.gather(values, src, dst, at, kind).values.items()}
        )

    def mix(self, values: Located, tick: Tick, group: Group, kind: str, past: Sequence[Located] = ()) -> Located:
        """x_i <- sum_j W_ij x_j, each neighbour's row crossing its edge; trees of all members have equal shapes.

        Between two hosts a row crosses once; the ledger counts every message. `past[a - 1]` are the values of a rounds
        ago, for a tick whose neighbours' values arrive late. Messages that are lost are counted as `lost_<kind>`.
        """
        reach, history = self._reach(tick, group), [values, *past]
        numbers = self._count_edges(tick, reach, group, history, kind)
        for host, keys in reach.sent.items():
            self._transport.send(host, _stacked(history, keys))
        expected = {host: self._arrivals.expect(host) for host in reach.read if host != self._me}

        def mixed() -> list:
            trees = [
                _stacked(history, keys) if host == self._me else expected[host]() for host, keys in reach.read.items()
            ]
            self._wait_for_edges(numbers, group)
            return [(group.here, combine(reach.rows, concatenated(trees)))] if trees else []

        return Located(later=mixed) if self._defers else Located(blocks=mixed())

    def collect(self, values: Located, tick: Tick, group: Group, kind: str) -> Located:
        """At every member what its neighbours in W sent, and its own: {j: tree}, j ascending."""
        columns = {i: tick.mixing.row(i)[0].tolist() for i in group.members}
        arrived = self._carry(values, [(group, j, group, i) for i, row in columns.items() for j in row], kind)()
        self._count_lost(tick, group, values, kind)
        return Located({i: {j: arrived[j, i] for j in columns[i]} for i in group.here})

    def hold(self, group: Group, i: int, until: float) -> None:
        """A member goes on no earlier than at a time of the schedule's; the maths does not depend on it."""
        if self._ledger is not None:
            self._ledger.held(group.names[i], until)

    def note(self, src: Group, i: int, dst: Group, j: int, kind: str, size: int) -> None:
        """Count a message of `size` bytes that is not sent here, but would be in a deployment (evaluation)."""
        self._ledger.count(src.names[i], dst.names[j], kind, size)

    def _reach(self, tick: Tick, group: Group) -> Reach:
        """Who needs what in this tick; remembered, since most ticks are like the one before."""
        key = (id(tick.mixing), None if tick.ages is None else tick.t, group.members)
        if key not in self._reaches:
            if len(self._reaches) >= REMEMBERED:
                self._reaches.clear()
            places = {i: self._place(group.kind, i) for i in group.members}
            self._reaches[key] = (tick.mixing, Reach(tick.mixing, tick.ages, group.members, places, self._me))
        return self._reaches[key][1]

    def _count_edges(self, tick: Tick, reach: Reach, group: Group, history: Sequence[Located], kind: str) -> list:
        """[(source, destination, age, number)] of the messages that are counted here."""
        if self._ledger is None:
            return []
        sizes, names = [each.sizes() for each in history], group.names
        if tick.sends is not None:  # they leave now, whenever they arrive
            for src, dst in tick.sends:
                if size := sizes[0].get(src):
                    self._ledger.count(names[src], names[dst], kind, size)
            return []
        numbers = [
            (src, dst, age, self._ledger.count(names[src], names[dst], kind, size))
            for (age, src), dst in reach.edges
            if (size := sizes[age][src])
        ]
        self._count_lost(tick, group, history[0], kind)
        return numbers

    def _wait_for_edges(self, numbers: list, group: Group) -> None:
        """The clock's side of mixing: a value that is some rounds old was sent then."""
        names = group.names
        for src, dst, age, number in numbers:
            if age:
                self._ledger.waited_for_older(names[src], names[dst], age)
            else:
                self._ledger.waited(names[dst], number)

    def _count_lost(self, tick: Tick, group: Group, values: Located, kind: str) -> None:
        """Messages that were sent and did not arrive, at their senders."""
        if self._ledger is None or not tick.lost:
            return
        sizes, members = values.sizes(), frozenset(group.members)
        for src, dst in tick.lost:
            if src in members and dst in members and (size := sizes.get(src)):
                self._ledger.count(group.names[src], group.names[dst], f"lost_{kind}", size)

    def _carry(self, values: Located, pairs: list[tuple[Group, int, Group, int]], kind: str) -> Callable[[], dict]:
        """Bring trees from source to destination members: a function that waits for those which come here.

        It returns {(source, destination): tree} for destinations here. A tree that several members of one host
        want crosses to that host once; the ledger counts each message.
        """
        outgoing: dict[int, dict[int, Any]] = {}
        incoming: dict[int, dict[int, None]] = {}
        held = {i: tree_map(settled, tree) for i, tree in values.values.items()}
        numbers: list[tuple[str, int]] = []
        for src, i, dst, j in pairs:
            sender, receiver = self._place(src.kind, i), self._place(dst.kind, j)
            if sender == self._me:
                numbers += self._count(src, i, dst, j, held[i], kind)
                if receiver != self._me:
                    outgoing.setdefault(receiver, {})[i] = held[i]
            elif receiver == self._me:
                incoming.setdefault(sender, {})[i] = None
        for host in sorted(outgoing):
            self._transport.send(host, list(outgoing[host].values()))
        expected = {host: self._arrivals.expect(host) for host in sorted(incoming)}

        def arrived() -> dict:
            for host, trees in expected.items():
                held.update(zip(incoming[host], trees(), strict=True))
            for receiver, number in numbers:
                self._ledger.waited(receiver, number)
            return {(i, j): held[i] for _, i, dst, j in pairs if self._place(dst.kind, j) == self._me}

        return arrived

    def _located(self, arrived: Callable[[], dict]) -> Located:
        return Located(later=arrived) if self._defers else Located(arrived())

    def _count(self, src: Group, i: int, dst: Group, j: int, tree: Any, kind: str) -> list[tuple[str, int]]:
        """[(receiver, number)] of the message, if it is one."""
        if self._ledger is not None and (src.kind, i) != (dst.kind, j) and (size := nbytes(tree)):
            return [(dst.names[j], self._ledger.count(src.names[i], dst.names[j], kind, size))]
        return []


def _stacked(history: Sequence[Located], keys: Sequence[tuple[int, int]]) -> Any:
    """The trees of some keys (age, member), sorted, one behind the other."""
    ages = groupby(keys, key=itemgetter(0))
    return concatenated([history[age].stacked(tuple(i for _, i in those)) for age, those in ages])


def weighted_sum(shares: Sequence[float], trees: Sequence[Any]) -> Any:
    """sum_k shares_k tree_k, tensor by tensor, in the order given; integer tensors take the first tree's."""
    structure, first = flatten(trees[0])
    columns = zip(*(flatten(tree)[1] for tree in trees), strict=True)
    return unflatten(structure, [_sum(shares, column) for column in columns]) if first else trees[0]


def _sum(shares: Sequence[float], tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    if not tensors[0].is_floating_point():
        return tensors[0]
    total = tensors[0] * shares[0]
    for share, tensor in zip(shares[1:], tensors[1:], strict=True):
        total += tensor * share
    return total
