"""Servers with an outage, rounds without a quorum, institutions that are slow: the schedule and its events."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from pydantic import ValidationError

from swarmsim.schedule.build import Servers, schedule
from swarmsim.schedule.events import delivery_events
from swarmsim.schedule.slowdown import slowdown
from swarmsim.types import Event, InputError, Schedule, Traffic
from tests.schedule.graphs import faults, metropolis, names

RING = metropolis(networkx.cycle_graph(4))
COPIES = Servers({"server": (0, 1, 2), "server-b": (3, 4, 5)})
REGIONS = Servers({"server-0": (0,), "server-1": (1,), "server-2": (2,), "server-3": (3,)}, mix=True)


def made(rounds=5, servers=Servers({}), calm=Schedule(), n=4, resends=False, **written):  # noqa: B008
    return schedule(calm, faults(**written), names(n), rounds, 0, servers, resends)


# ------------------------------------------------------------------------------------------ outages


def test_a_server_is_down_with_all_of_its_copies():
    down = [{"institution": "server", "from": 2, "until": 4}, {"institution": "h1", "from": 3, "until": 4}]
    found, said = made(servers=COPIES, down=down)
    assert found.servers_up.astype(int).tolist() == [
        [1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1], [0, 0, 0, 1, 1, 1], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1],
    ]  # fmt: skip
    assert [found.tick(t).servers_down for t in range(5)] == [(), (0, 1, 2), (0, 1, 2), (), ()]
    assert found.tick(2).active == (0, 2, 3)
    assert said == (
        Event(2, "down", "server", "planned"), Event(3, "down", "h1", "planned"), Event(4, "up", "h1", ""),
        Event(4, "up", "server", ""),
    )  # fmt: skip


def test_an_outage_of_servers_is_no_absence_of_institutions():
    down = [{"institution": "server"}]
    found, said = made(servers=COPIES, down=down, participation=0.5)
    assert (found.active.sum(1) == 2).all()
    assert not any(event.event == "nobody" for event in said)
    alone, _ = made(participation=0.5)
    assert (alone.active == found.active).all()
    assert made(servers=COPIES, down=down)[0].active is None


def test_servers_that_mix_have_an_identity_row_while_they_are_down():
    down = [{"institution": "server-2", "from": 2, "until": 3}, {"institution": "h0", "from": 3, "until": 4}]
    found, said = made(3, REGIONS, Schedule((RING,)), n=6, down=down)
    w = [found.tick(t).mixing.dense() for t in range(3)]
    assert (w[0] == RING.dense()).all()
    assert (w[1][2] == np.eye(4)[2]).all() and (w[1][:, 2] == np.eye(4)[2]).all()
    assert w[1].sum(0) == pytest.approx(np.ones(4), abs=1e-15)
    assert (w[2] == RING.dense()).all()
    assert found.active.shape == (3, 6)
    assert {event.institution for event in said} == {"server-2", "h0"}
    both = [{"institution": f"server-{k}", "from": 2, "until": 3} for k in (1, 3)]
    _, said = made(3, REGIONS, Schedule((RING,)), n=6, down=both)
    assert [event.institution for event in said if event.event == "isolated"] == ["server-0", "server-2"]


@pytest.mark.parametrize(
    ("servers", "name", "message"),
    [
        (COPIES, "serve", r"no institution 'serve' \(did you mean 'server'\?\); institutions: h0.*; servers: server"),
        (Servers({}), "server", "no institution 'server'; institutions: h0, h1, h2, h3$"),
    ],
)
def test_a_server_that_is_not_there(servers, name, message):
    with pytest.raises(InputError, match=f"faults.down: {message}"):
        made(servers=servers, down=[{"institution": name}])


# ------------------------------------------------------------------------------------------- quorum


def test_a_round_without_its_quorum_has_nobody():
    down = [{"institution": "h0", "from": 2, "until": 4}, {"institution": "h1", "from": 3, "until": 4}]
    found, said = made(4, calm=Schedule((RING,)), down=down, quorum={"min": 3})
    assert found.active.astype(int).tolist() == [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0], [1, 1, 1, 1]]
    assert (found.tick(2).mixing.dense() == np.eye(4)).all()
    assert Event(3, "no quorum", "all", "2 of 4 are awake, and 3 are needed") in said
    assert [event.event for event in said if event.round == 3] == ["down", "no quorum"]
    assert [event.institution for event in said if event.event == "up"] == ["h0", "h1"]


def test_a_quorum_that_is_always_there_changes_nothing():
    down = [{"institution": "h0", "from": 2, "until": 4}]
    with_one, said = made(down=down, quorum={"min": 3})
    without, told = made(down=down)
    assert (with_one.active == without.active).all()
    assert said == told
    assert made(quorum={"min": 4})[0].active is None


def test_a_quorum_that_is_missed_can_stop_the_run_before_it_trains():
    down = [{"institution": "h0", "from": 3}, {"institution": "h1", "from": 4}]
    with pytest.raises(
        InputError, match=r"faults.quorum: in round 4 2 of 4 institutions are awake, and min is 3; write otherwise: sk"
    ):
        made(down=down, quorum={"min": 3, "otherwise": "stop"})
    assert made(down=down, quorum={"min": 2, "otherwise": "stop"})
    with pytest.raises(InputError, match="min 5 is more than the 4 institutions; write 4 or less"):
        made(quorum={"min": 5})


# --------------------------------------------------------------------------------------- stragglers

STRAGGLERS = [{"institution": "h1", "factor": 4, "from": 2, "until": 4}, {"institution": "h1", "factor": 2, "from": 4}]


def test_stragglers_take_so_many_times_as_long():
    found = slowdown(faults(stragglers=STRAGGLERS), names(3), 5, 0)
    assert found.tolist() == [[1, 1, 1], [1, 4, 1], [1, 4, 1], [1, 2, 1], [1, 2, 1]]
    assert slowdown(None, names(3), 5, 0) is None
    assert slowdown(faults(participation=0.5), names(3), 5, 0) is None


def test_factors_by_chance_have_their_share_and_multiply():
    by_chance = {"probability": 0.25, "factor": 3}
    found = slowdown(faults(straggling=by_chance), names(40), 200, 0)
    assert set(found.ravel()) == {1.0, 3.0}
    assert (found == 3).mean() == pytest.approx(0.25, abs=3 * (0.1875 / 8000) ** 0.5)
    both = slowdown(faults(straggling=by_chance, stragglers=[{"institution": "h1", "factor": 2}]), names(40), 200, 0)
    assert (both[:, 1] == 2 * found[:, 1]).all()
    assert (both[:, 2:] == found[:, 2:]).all()
    few = slowdown(faults(straggling=by_chance), names(7), 9, 0)
    assert (few == found[:9, :7]).all()
    assert (slowdown(faults(straggling=by_chance), names(40), 200, 1) != found).any()


def test_events_of_stragglers_say_when_the_pace_changes():
    _, said = made(5, stragglers=STRAGGLERS)
    assert said == (
        Event(2, "slow", "h1", "4 times as long"), Event(4, "slow", "h1", "2 times as long"),
    )  # fmt: skip
    _, said = made(5, stragglers=STRAGGLERS[:1])
    assert said[-1] == Event(4, "on pace", "h1", "")
    found = slowdown(faults(straggling={"probability": 0.5, "factor": 3}), names(4), 30, 0)
    _, said = made(30, straggling={"probability": 0.5, "factor": 3})
    pace = np.ones(4)
    for t in range(30):
        for event in said:
            if event.round == t + 1:
                pace[int(event.institution[1:])] = 3 if event.event == "slow" else 1
        assert (pace == found[t]).all()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"stragglers": [{"institution": "h1", "factor": 0.5}]}, "greater than or equal to 1"),
        ({"stragglers": [{"institution": "h1", "factor": 2}, {"institution": "h1", "factor": 3}]}, "stragglers: h1: f"),
        ({"straggling": {"probability": 0.5}}, "factor"),
        ({"quorum": {"min": 0}}, "greater than or equal to 1"),
        ({"quorum": {"min": 1, "otherwise": "wait"}}, "'skip' or 'stop'"),
        ({"duplication": 2}, "less than or equal to 1"),
        ({"reordering": {"probability": 0.1, "seconds": 0}}, "greater than 0"),
    ],
)
def test_what_cannot_be_is_refused(written, message):
    with pytest.raises(ValidationError, match=message):
        faults(**written)


def test_unknown_stragglers_are_refused():
    with pytest.raises(InputError, match=r"faults.stragglers: no institution 'H1' \(did you mean 'h1'"):
        made(stragglers=[{"institution": "H1", "factor": 2}])


# ------------------------------------------------------------------------------- repeated messages


def test_lost_messages_stay_out_of_w_where_they_are_sent_again():
    loss = {"use": "independent", "probability": 0.5}
    found, said = made(5, calm=Schedule((RING,)), resends=True, link_loss=loss)
    assert found.mixings == (RING,)
    assert not found.lost and not said
    assert made(5, resends=True, link_loss=loss)[0].mixings == ()
    with pytest.raises(InputError, match="every attempt is lost"):
        made(resends=True, link_loss={"use": "independent", "probability": 1.0})


def test_repeated_messages_are_counted_by_round():
    ledger = [
        Traffic(1, "a", "b", "weights", 3, 24), Traffic(1, "a", "b", "lost_weights", 2, 16),
        Traffic(1, "b", "a", "lost_control", 1, 8), Traffic(2, "b", "a", "copy_weights", 1, 8),
        Traffic(2, "b", "a", "lost_weights", 4, 32),
    ]  # fmt: skip
    assert list(delivery_events(ledger, True)) == [
        Event(1, "sent again", "all", "3 messages"), Event(2, "sent again", "all", "4 messages"),
        Event(2, "twice", "all", "1 message"),
    ]  # fmt: skip
    assert list(delivery_events(ledger, False)) == [Event(2, "twice", "all", "1 message")]
