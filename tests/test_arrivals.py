"""What is on its way is waited for when it is needed, in the order in which it was sent."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
import torch

from swarmsim.network.arrivals import Arrivals
from swarmsim.network.ledger import Ledger
from swarmsim.network.located import Group, Located
from swarmsim.network.net import Net
from swarmsim.runtime.apply import one_by_one
from swarmsim.runtime.host import Host
from tests.methods import VARIANTS, small_job
from tests.threads import Mail, ThreadHosts, together

NAMES = ("a", "b")
PLACES = {"institution": (0, 1), "server": (1,)}


class Unreachable:
    """A transport from which nothing ever comes."""

    def send(self, host, tree):
        pass

    def receive(self, host):
        raise TimeoutError


def net_of(me: int, transport) -> tuple[Net, Group, Group]:
    """A net of two hosts with an institution each, and a server on the second."""
    held = {kind: [m for m, host in enumerate(hosts) if host == me] for kind, hosts in PLACES.items()}
    institutions = Group("institution", NAMES, held["institution"], one_by_one)
    server = Group("server", ("s",), held["server"], one_by_one)
    return Net(me, lambda kind, m: PLACES[kind][m], transport, Ledger()), institutions, server


def test_trees_are_given_out_in_the_order_of_expectation_whatever_is_looked_at_first():
    sent = iter(("first", "second", "third"))
    arrivals = Arrivals(lambda host: next(sent))
    waits = [arrivals.expect(7) for _ in range(3)]
    assert [waits[place]() for place in (1, 0, 2, 1)] == ["second", "first", "third", "second"]


def test_hosts_are_waited_for_one_by_one():
    asked = []
    arrivals = Arrivals(lambda host: asked.append(host) or host)
    one, other = arrivals.expect(1), arrivals.expect(2)
    assert (other(), asked) == (2, [2])
    assert (one(), asked) == (1, [2, 1])


@pytest.mark.parametrize("verb", ["send", "gather", "broadcast", "scatter"])
def test_a_deferred_verb_waits_when_its_result_is_looked_at_and_the_others_at_once(verb):
    net, institutions, server = net_of(1, Unreachable())
    calls = {
        "send": lambda net: net.send(Located({}), institutions, server, "weights", {0: 0}),
        "gather": lambda net: net.gather(Located({1: torch.ones(1)}), institutions, server, 0, "weights"),
        "broadcast": lambda net: net.broadcast(Located({}), institutions, 0, server, "weights"),
        "scatter": lambda net: net.scatter(Located({}), institutions, 0, server, "weights"),
    }
    arriving = calls[verb](net.deferred())
    with pytest.raises(TimeoutError):
        arriving.values  # noqa: B018
    with pytest.raises(TimeoutError):
        calls[verb](net)


def test_a_message_overtakes_none_that_is_still_expected():
    """A deferred message, then two that are waited for: one of the run, one of the experimenter's view."""
    mail = Mail(2)

    def program(me: int) -> list:
        net, institutions, server = net_of(me, mail.at(me))
        rows = [Located({0: torch.full((2,), float(k))} if me == 0 else {}) for k in range(3)]
        views = (net.deferred(), net, net.uncounted())
        found = [view.send(row, institutions, server, "weights", {0: 0}) for view, row in zip(views, rows, strict=True)]
        return [each.values[0].tolist() for each in found] if me == 1 else [len(each) for each in found]

    assert together([lambda: program(0), lambda: program(1)]) == [[0, 0, 0], [[0, 0], [1, 1], [2, 2]]]


class Diary:
    """A transport that writes down what its host sends and takes, in order."""

    def __init__(self, inner) -> None:
        self._inner, self.lines = inner, []

    def send(self, host, tree):
        self.lines.append("send")
        self._inner.send(host, tree)

    def receive(self, host):
        self.lines.append("receive")
        return self._inner.receive(host)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("split/vanilla", {"cut": 1, "in_flight": 3}),
        ("split/private", {"cut": 1, "in_flight": 4, "serving": "interleaved"}),
    ],
)
def test_the_server_answers_a_batch_before_it_waits_for_later_ones(name, arguments):
    """Smashed data and labels of the n-th batch are all that it needs for the n-th cut gradient."""
    job = small_job(name, {**arguments, "batch": 8}, hosts=3)
    mail = Mail(4)
    diary = Diary(mail.at(3))
    boxes = [*(mail.at(me) for me in range(3)), diary]
    here = [{i: shard for i, shard in job.shards.items() if i == me} for me in range(4)]
    hosts = [Host(dataclasses.replace(job, shards=here[me]), me, box) for me, box in enumerate(boxes)]
    together([lambda host=host: host.advance(0, 1) for host in hosts])
    seen: Counter = Counter()
    for line in diary.lines:
        seen[line] += 1
        assert seen["receive"] <= 2 * (seen["send"] + 1)
    assert seen["send"] > 9


SPLIT = [(name, variant) for name, variants in VARIANTS.items() if name.startswith("split/") for variant in variants]


@pytest.mark.parametrize(("name", "arguments"), SPLIT)
def test_nothing_is_left_on_its_way_behind_a_round(name, arguments):
    """What one round leaves in the post, the next job of the same hosts would take for its own."""
    job = small_job(name, arguments, hosts=3)
    hosts = ThreadHosts(job, 1 + max(job.hosts["server"], default=2))
    hosts.advance(0, 2)
    assert hosts.mail.sent == hosts.mail.received
