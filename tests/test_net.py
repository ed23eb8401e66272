"""The verbs of the net, carried out by one host and by two, and the ledger."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.network.ledger import KINDS, Ledger
from swarmsim.network.located import Group
from swarmsim.network.net import Net
from swarmsim.runtime.apply import one_by_one
from swarmsim.types import Tick
from tests.comparing import digest
from tests.jobs import mixing
from tests.threads import Mail, together

NAMES = ("a", "b", "c")
VALUES = {i: {"row": torch.arange(4.0, dtype=torch.float64) + 10 * i} for i in range(3)}
PLACES = {
    "one host": {"institution": (0, 0, 0), "server": (0,)},
    "two hosts": {"institution": (0, 1, 1), "server": (1,)},
    "the server apart": {"institution": (0, 0, 0), "server": (1,)},
    "four hosts": {"institution": (0, 1, 2), "server": (3,)},
}
ROW = 4 * 8
W = [[0.5, 0.5, 0.0], [0.0, 0.25, 0.75], [0.5, 0.25, 0.25]]


def carried_out(places: dict, program) -> tuple[dict, list, Mail]:
    """A program (institutions, server, net, values) on all hosts: what is where, what was counted, the mail."""
    count = max(host for hosts in places.values() for host in hosts) + 1
    mail = Mail(count, late=0.002)

    def one(me: int):
        ledger, names = Ledger(), {"institution": NAMES, "server": ("server",)}
        groups = [
            Group(kind, names[kind], (i for i, host in enumerate(places[kind]) if host == me), one_by_one)
            for kind in names
        ]
        net = Net(me, lambda kind, i: places[kind][i], mail.at(me), ledger)
        found = program(*groups, net, groups[0].each(lambda i: VALUES[i]))
        return found.values, ledger.take()

    done = together([lambda me=me: one(me) for me in range(count)])
    values = {key: value for held, _ in done for key, value in held.items()}
    return dict(sorted(values.items())), sorted(line for _, lines in done for line in lines), mail


def counted(lines: list) -> dict:
    return {(line.src, line.dst): (line.messages, line.bytes) for line in lines}


@pytest.fixture(params=PLACES)
def places(request):
    return PLACES[request.param]


def test_send_moves_along_its_route(places):
    route = {0: 2, 2: 1}
    found, lines, mail = carried_out(places, lambda g, s, net, x: net.send(x, g.only([0, 2]), g, "weights", route))
    assert {j: tree["row"][0].item() for j, tree in found.items()} == {1: 20, 2: 0}
    assert counted(lines) == {("a", "c"): (1, ROW), ("c", "b"): (1, ROW)}
    assert mail.sent == mail.received


def test_send_to_itself_is_no_message(places):
    found, lines, _ = carried_out(places, lambda g, s, net, x: net.send(x, g, g, "weights"))
    assert {j: digest(tree) for j, tree in found.items()} == {j: digest(VALUES[j]) for j in range(3)}
    assert lines == []


def test_send_refuses_to_join_two_sources():
    with pytest.raises(ValueError, match=r"use net\.gather"):
        carried_out(PLACES["one host"], lambda g, s, net, x: net.send(x, g, g, "weights", {0: 1, 2: 1}))


def test_gather_keeps_the_order_of_the_members(places):
    found, lines, mail = carried_out(places, lambda g, s, net, x: net.gather(x, g, s, 0, "smashed_data"))
    assert [tree["row"][0].item() for tree in found[0]] == [0, 10, 20]
    assert counted(lines) == {(name, "server"): (1, ROW) for name in NAMES}
    assert mail.sent == mail.received


def test_gather_of_some_members_keeps_their_order(places):
    found, _, _ = carried_out(places, lambda g, s, net, x: net.gather(x, g.only([2, 0]), s, 0, "smashed_data"))
    assert [tree["row"][0].item() for tree in found[0]] == [20, 0]


def test_scatter_is_the_inverse_of_gather(places):
    def there_and_back(g, s, net, x):
        return net.scatter(net.gather(x, g, s, 0, "smashed_data"), s, 0, g, "cut_gradient")

    found, lines, mail = carried_out(places, there_and_back)
    assert {j: digest(tree) for j, tree in found.items()} == {j: digest(VALUES[j]) for j in range(3)}
    assert sorted({line.kind for line in lines}) == ["cut_gradient", "smashed_data"]
    assert sum(line.bytes for line in lines) == 2 * 3 * ROW
    assert mail.sent == mail.received


def test_scatter_ships_each_receiver_its_own_piece_alone(places):
    """Trap 4: pieces of one storage; what is counted and what arrives is the piece."""

    def split(g, s, net, x):
        whole = torch.arange(60.0, dtype=torch.float64)
        pieces = s.each(lambda _: list(whole.split([1, 57, 2])))
        return net.scatter(pieces, s, 0, g, "cut_gradient")

    found, lines, _ = carried_out(places, split)
    assert [found[j].numel() for j in range(3)] == [1, 57, 2]
    assert counted(lines) == {("server", name): (1, 8 * many) for name, many in zip(NAMES, (1, 57, 2), strict=True)}
    crossed = [j for j in range(3) if places["institution"][j] != places["server"][0]]
    assert all(found[j].untyped_storage().nbytes() == 8 * found[j].numel() for j in crossed)


@pytest.mark.parametrize("at", [0, 1, 2])
def test_broadcast_reaches_everybody_and_costs_nothing_at_home(places, at):
    found, lines, mail = carried_out(places, lambda g, s, net, x: net.broadcast(x, g, at, g, "weights"))
    assert [found[j]["row"][0].item() for j in range(3)] == [10 * at] * 3
    assert counted(lines) == {(NAMES[at], name): (1, ROW) for name in NAMES if name != NAMES[at]}
    assert max(mail.sent.values(), default=0) <= 1  # a host that holds several receivers is sent one copy


def test_average_is_the_weighted_mean_in_the_order_of_the_members(places):
    shares = [0.5, 0.3, 0.2]
    found, lines, _ = carried_out(places, lambda g, s, net, x: net.average(x, shares, g, s, 0, "weights"))
    expected = sum(share * VALUES[i]["row"] for i, share in enumerate(shares))
    assert list(found) == [0]
    assert torch.allclose(found[0]["row"], expected, rtol=0, atol=1e-14)
    assert counted(lines) == {(name, "server"): (1, ROW) for name in NAMES}


def test_average_at_a_member_sends_nothing_for_that_member(places):
    _, lines, _ = carried_out(places, lambda g, s, net, x: net.average(x, [1 / 3] * 3, g, g, 1, "weights"))
    assert counted(lines) == {("a", "b"): (1, ROW), ("c", "b"): (1, ROW)}


def test_mix_multiplies_by_the_matrix_and_sends_along_its_edges(places):
    """W is not symmetric: a transposed one would show in the values and in the ledger."""
    found, lines, mail = carried_out(places, lambda g, s, net, x: net.mix(x, Tick(0, mixing(W)), g, "weights"))
    rows = np.stack([VALUES[j]["row"].numpy() for j in range(3)])
    assert np.allclose([found[i]["row"].numpy() for i in range(3)], np.array(W) @ rows, rtol=0, atol=1e-14)
    edges = {(NAMES[j], NAMES[i]) for i in range(3) for j in range(3) if i != j and W[i][j]}
    assert counted(lines) == dict.fromkeys(edges, (1, ROW))
    assert mail.sent == mail.received


def test_all_placements_give_the_same_bits():
    found = [
        carried_out(each, lambda g, s, net, x: net.mix(x, Tick(0, mixing(W)), g, "weights")) for each in PLACES.values()
    ]
    assert len({tuple(digest(tree) for tree in values.values()) for values, _, _ in found}) == 1
    assert len({tuple(lines) for _, lines, _ in found}) == 1


def test_the_experimenters_view_counts_nothing():
    _, lines, _ = carried_out(PLACES["two hosts"], lambda g, s, net, x: net.uncounted().gather(x, g, s, 0, "weights"))
    assert lines == []


def test_nothing_in_a_message_is_no_message():
    def empty(g, s, net, x):
        return net.gather(g.each(lambda i: {"buffers": torch.zeros(0)}), g, s, 0, "buffers")

    assert carried_out(PLACES["two hosts"], empty)[1] == []


def test_the_ledger_adds_up_and_starts_again():
    ledger = Ledger()
    for t in (1, 2):
        ledger.round = t
        ledger.count("a", "b", "weights", 10)
        ledger.count("a", "b", "weights", 5, messages=2)
    ledger.count("b", "a", "eval_control", 1)
    assert [tuple(line) for line in ledger.take()] == [
        (1, "a", "b", "weights", 3, 15), (2, "a", "b", "weights", 3, 15), (2, "b", "a", "eval_control", 1, 1),
    ]  # fmt: skip
    assert ledger.take() == []


@pytest.mark.parametrize("kind", ["gradients", "eval_", "eval_eval_labels", ""])
def test_the_ledger_refuses_a_kind_that_nobody_documented(kind):
    with pytest.raises(ValueError, match=f"{KINDS[0]}, {KINDS[1]}"):
        Ledger().count("a", "b", kind, 1)
