"""RelaySGD."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from swarmsim.local.obeying import AT_ONCE, DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.sharing import Averaging, Shared
from swarmsim.network.located import Located
from swarmsim.trees import nbytes
from swarmsim.types import Tick

__all__ = ["RelaySum"]

RELAYED = dict.fromkeys(("link_loss", "partitions"), "the last message that arrived stands in for what does not")
CROSSES_AS = {"params": "weights", "buffers": "buffers", "count": "control"}


@dataclass(frozen=True)
class State:
    members: Located
    heard: Located  # {neighbour: the last message that arrived from it}


class RelaySum(Averaging):
    """RelaySGD: sums of models travel along the branches of a tree, so that everybody gets the exact, late average.

    x_i <- train_i(x_i)
    m_ij = x_i + sum of m_ki over neighbours k other than j,    c_ij = 1 + sum of the c_ki       (to neighbour j)
    x_i <- (x_i + sum_j m_ji) / (1 + sum_j c_ji)

    m_ki are those of the round before, so what is tau links away arrives tau - 1 rounds late; institutions further
    away than rounds have passed count for nothing yet. From round `diameter` on x_i is the mean over all n, with equal
    weights that owe nothing to the shape of the tree, and its fixed point is that of training on all data: the bias of
    other gossip is not there. A star or two institutions have the plain average of all, one round late between
    leaves. Where a message is lost or its sender sleeps, the last one that arrived stands in for it, so no institution
    ceases to count. W's weights are not used. BatchNorm's counters, and optimisers, stay where they are.

    Over each link cross d + 1 numbers each way: m_ij, and c_ij as `control`.

    Reference: Vogels et al., RelaySum for decentralized deep learning on heterogeneous data, NeurIPS 2021.
    """

    packs: ClassVar[bool] = False
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("tree", "static")
    under: ClassVar[Words] = {
        **away("its last messages stand in for it"),
        **QUORUM,
        **PACE,
        **LINKS,
        **DELIVERED,
        **RELAYED,
    }
    refuses: ClassVar[Words] = AT_ONCE

    def start(self, world) -> State:
        members = world.institutions.each(lambda i: world.learner.start())
        return State(members, members.map(lambda m: {}))

    def round(self, state: State, tick: Tick, world) -> State:
        institutions, shared = world.institutions, self.shared(world.learner.network)
        hears = {i: [j for j in tick.mixing.row(i)[0].tolist() if j != i] for i in institutions.members}
        awake = institutions.only(tick.awake(institutions.members))
        trained = world.train(state.members, tick)
        own = trained["weights"].map(lambda weights: _own(weights, shared))

        def messages(i: int, own: dict, heard: dict[str, dict]) -> dict[int, dict]:
            receivers = [j for j in hears if i in hears[j]] + [dst for src, dst in tick.lost if src == i]
            return {j: _sum(own, _without(heard, j)) for j in receivers}

        def average(i: int, member: dict, own: dict, heard: dict[str, dict]) -> dict:
            return {**member, "weights": _averaged(member["weights"], _sum(own, heard), shared)}

        sent = awake.each(messages, own, state.heard)
        _count_lost(world, sent, tick)
        arrived = _carried(world, sent, hears, [*_parts(shared), "count"])
        heard = state.heard | awake.each(lambda i, old, new: {**old, **new}, state.heard, arrived)
        return State(trained | awake.each(average, trained, own, heard), heard)

    def models(self, state: State, world) -> Located:
        return state.members["weights"]


def _parts(shared: Shared) -> list[str]:
    """The kinds of rows that can be summed."""
    return [kind for kind in shared.kinds if kind != "counters"]


def _without(heard: dict[str, dict], j: int) -> dict[str, dict]:
    return {k: message for k, message in heard.items() if k != str(j)}


def _own(weights: dict, shared: Shared) -> dict[str, Any]:
    """An institution's own part of its messages: its rows, counted once."""
    rows = {kind: shared.pick(kind, weights[kind]) for kind in _parts(shared)}
    return {**rows, "count": weights["params"].new_ones(1)}


def _sum(own: dict, heard: dict[str, dict]) -> dict[str, Any]:
    """Rows and counts of an institution and of some messages, in the order of their senders."""
    total = own
    for k in sorted(heard, key=int):
        total = {part: row + heard[k][part] for part, row in total.items()}
    return total


def _averaged(weights: dict, total: dict, shared: Shared) -> dict:
    means = {kind: shared.put(kind, weights[kind], total[kind] / total["count"]) for kind in _parts(shared)}
    return {**weights, **means}


def _carried(world, sent: Located, hears: dict[int, list[int]], parts: Sequence[str]) -> Located:
    """At every institution {neighbour: message to it}, each part of a message being one message of its own kind."""
    institutions = world.institutions
    arrived = {j: {str(i): {} for i in hears[j]} for j in institutions.here}
    for j in institutions.members:
        senders = institutions.only(hears[j])
        messages = Located({i: sent.values[i][j] for i in senders.here})
        for part in parts:
            brought = world.net.gather(messages[part], senders, institutions, j, CROSSES_AS[part])
            for i, row in zip(hears[j], brought.values.get(j, ()), strict=False):
                arrived[j][str(i)][part] = row
    return Located(arrived)


def _count_lost(world, sent: Located, tick: Tick) -> None:
    """Messages that were sent and did not arrive, at their senders."""
    for i, j in tick.lost:
        for part, row in sent.values[i][j].items() if i in sent.values else ():
            if size := nbytes(row):
                world.net.note(world.institutions, i, world.institutions, j, f"lost_{CROSSES_AS[part]}", size)
