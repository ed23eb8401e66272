"""Asynchronous methods: what is late is exactly as late as the schedule says, and nothing of it is lost."""

from __future__ import annotations

import json

import numpy as np
import pytest

from swarmsim.runtime.driver import Inline
from swarmsim.trees import flatten, unflatten
from swarmsim.types import InputError, Schedule
from tests.comparing import assert_same, ended, outcome, same_bits, within
from tests.jobs import blobs, complete, job, mixing, quadratic, ring, run
from tests.methods import DIRECTED, method, small_job
from tests.schedule.graphs import run as scheduled
from tests.swarm.pairs import assembled, table, wrote
from tests.threads import ThreadHosts

N = 8
TARGETS = np.arange(float(N))
ONCE = {  # x_i = a_i behind round 1, then averaging alone
    "lr": 1.0, "lr_schedule": {"use": "step", "every": 1, "factor": 1e-15}, "batch": None, "momentum": 0.0,
    "weight_decay": 0.0,
}  # fmt: skip
PLAIN = {"batch": None, "momentum": 0.0, "weight_decay": 0.0}
WEATHER = {
    "churn": {"use": "markov", "mean_up": 5, "mean_down": 2},
    "link_loss": {"use": "independent", "probability": 0.2, "symmetric": False},
}  # fmt: skip
LATE = {**WEATHER, "delay": {"use": "uniform", "most": 3}}


# ----------------------------------------------------------------------------- D-PSGD with models that are late


@pytest.mark.parametrize("max_delay", [0, 3])
@pytest.mark.parametrize("arguments", [{"local_steps": 2}, {"batch_norm": "local"}, {"personal": ("output",)}], ids=str)
def test_without_delay_it_is_dpsgd_bit_for_bit(max_delay, arguments):
    made = scheduled(mixing(DIRECTED), 6, **WEATHER)
    options = {"rounds": 6, "schedule": made, "model": {"dropout": 0.2}}
    late, plain = (
        run(small_job(name, given, **options))
        for name, given in (("swarm/async_dpsgd", {**arguments, "max_delay": max_delay}), ("swarm/dpsgd", arguments))
    )
    assert within(late.models, plain.models)
    assert [each.traffic for each in late.rounds] == [each.traffic for each in plain.rounds]


def loop(work, lr: float) -> np.ndarray:
    """y(t) = x(t) - lr (x(t) - a) of those awake; x_i(t + 1) = sum over the entries of W of w y_j(t - age)."""
    a = np.array([work.shards[i].train.y[0, 0] for i in range(len(work.names))])
    x, history = np.zeros(len(a)), []
    for t in range(work.rounds):
        tick = work.schedule.tick(t)
        up = np.isin(np.arange(len(a)), tick.awake(range(len(a))))
        history.insert(0, np.where(up, x - lr * (x - a), x))
        x = np.zeros(len(a))
        for i in range(len(a)):
            for e in range(tick.mixing.starts[i], tick.mixing.starts[i + 1]):
                age = 0 if tick.ages is None else tick.ages[e]
                x[i] += tick.mixing.weights[e] * history[age][tick.mixing.columns[e]]
    return x


def test_a_fixed_delay_is_that_of_a_loop_over_numbers():
    """0 hears 1 two rounds late, 1 hears 2 one round late, 2 hears 0 at once; a value of before round 1 is none."""
    fixed = np.array([0, 2, 0, 1, 0, 0])
    ages = {t: np.minimum(fixed, t) for t in range(1, 9)}
    made = Schedule((mixing(DIRECTED),), ages=ages)
    work = job(
        method("swarm/async_dpsgd", max_delay=2, lr=0.3, **PLAIN), quadratic([0.0, 3.0, 8.0]), schedule=made, rounds=9
    )
    assert run(work).params[:, 0] == pytest.approx(loop(work, 0.3), abs=1e-14)


def test_two_rounds_by_hand():
    """a = (0, 8), lr 1/2, W = J: y(0) = (0, 4), x = 2; y(1) = (1, 5), and each hears what the other had a round ago."""
    made = Schedule((complete(2),), ages={1: np.array([0, 1, 1, 0])})
    work = job(
        method("swarm/async_dpsgd", max_delay=1, lr=0.5, **PLAIN), quadratic([0.0, 8.0]), schedule=made, rounds=2
    )
    assert run(work).params[:, 0].tolist() == [(1 + 4) / 2, (0 + 5) / 2]


@pytest.mark.parametrize("max_delay", [3, 5])
def test_drawn_delays_among_losses_and_sleepers_are_those_of_the_schedule(max_delay):
    made = scheduled(ring(N), 40, **LATE)
    given = {"max_delay": max_delay, "lr": 0.2, **PLAIN}
    work = job(method("swarm/async_dpsgd", **given), quadratic(TARGETS), schedule=made, rounds=40)
    assert max(int(ages.max()) for ages in made.ages.values()) == 3
    assert run(work).params[:, 0] == pytest.approx(loop(work, 0.2), abs=1e-12)


def test_who_sleeps_does_not_move_and_is_read_as_it_was():
    """On the complete graph of two, 1 sleeps in round 2; in round 3 it is read two rounds late, and then one."""
    awake = np.array([[True, True], [True, False], [True, True]])
    mixings = (complete(2), mixing(np.eye(2)))
    made = Schedule(mixings, np.array([0, 1, 0]), awake, ages={2: np.array([0, 1, 0, 0])})
    work = job(
        method("swarm/async_dpsgd", max_delay=1, lr=0.5, **PLAIN), quadratic([0.0, 8.0]), schedule=made, rounds=3
    )
    # y(0) = (0, 4), x = (2, 2); 0 alone: (1, 2); y(2) = (.5, 5): 0 hears 1's 2 of round 2
    assert run(work).params[:, 0].tolist() == [(0.5 + 2) / 2, (0.5 + 5) / 2]


@pytest.mark.parametrize("late", [0, 2])
def test_delays_that_are_not_kept_are_refused(late, tmp_path):
    table(tmp_path)
    path = wrote(
        tmp_path, "swarm/async_dpsgd", {"use": "ring"}, rounds=9, faults={"delay": {"use": "uniform", "most": 3}},
        algorithm={"use": "swarm/async_dpsgd", "lr": 0.1, "max_delay": late},
    )  # fmt: skip
    with pytest.raises(InputError, match=f"3 rounds old, and max_delay keeps {late}; write max_delay: 3"):
        assembled(path)


# -------------------------------------------------------------------------------------- gossip that is late


def gossip(rounds: int, weather: dict | None = None, graph=None, shards=None, seed: int = 0, **arguments):
    """A job of gossip that trains in round 1 alone, where everybody is awake."""
    made = scheduled(graph or ring(N), rounds, seed, **(weather or {}))
    return job(
        method("swarm/async_gossip", **{**ONCE, **arguments}),
        shards or quadratic(TARGETS),
        schedule=made,
        rounds=rounds,
        seed=seed,
    )


def masses(state: dict, done: int, n: int = N) -> tuple[float, float]:
    """(mass, mass times model) of all institutions and of all messages on their way, behind round `done`."""
    w = [state[f"mass/{i}"].item() for i in range(n)]
    x = [state[f"members/{i}"]["weights"]["params"].item() for i in range(n)]
    total, moment = sum(w), float(np.dot(w, x))
    for i, _, sent, arrives in state["flying"]:
        assert sent < done <= arrives
        total += state[f"sent/{i}"]["mass"][done - 1 - sent].item()
        moment += state[f"sent/{i}"]["params"][done - 1 - sent].item()
    return total, moment


@pytest.mark.parametrize("max_delay", [0, 1, 4])
@pytest.mark.parametrize(
    "weather",
    [
        {},
        {"down": [{"institution": "h3", "from": 3, "until": 9}, {"institution": "h0", "from": 5}]},
        {"link_loss": WEATHER["link_loss"]},
        {"partitions": [{"groups": [["h0", "h1", "h2"]], "from": 2, "until": 12}]},
    ],
    ids=["calm", "sleepers", "losses", "partition"],
)
def test_mass_and_mean_are_kept_in_every_round(max_delay, weather):
    work = gossip(20, weather, max_delay=max_delay)
    flew = 0
    with Inline() as runtime:
        runtime.start(work)
        for t in range(20):
            runtime.advance(t, t + 1)
            state = runtime.save()
            flew += len(state["flying"])
            total, moment = masses(state, t + 1)
            assert total == N  # halves and sums of halves
            assert moment == pytest.approx(TARGETS.sum(), abs=1e-11)
    assert (flew > 0) == (max_delay > 0)


@pytest.mark.parametrize("max_delay", [0, 3])
def test_gossip_agrees_on_the_mean(max_delay):
    found = run(gossip(120, {"link_loss": WEATHER["link_loss"]}, max_delay=max_delay)).params[:, 0]
    assert found == pytest.approx([3.5] * N, abs=1e-3)


def test_messages_bring_half_of_the_weight_at_once_or_later():
    """Two institutions: (0, 8) and weights 1. Both send half: w = 1/2 + 1/2, x = (0 + 8) / 2."""
    done = run(gossip(1, graph=complete(2), shards=quadratic([0.0, 8.0]), max_delay=0))
    assert done.params[:, 0].tolist() == [4.0, 4.0]
    assert done.state["flying"] == []
    assert sorted((line.src, line.kind, line.messages, line.bytes) for line in done.rounds[0].traffic) == [
        (f"institution-{i}", kind, 1, 8) for i in range(2) for kind in ("control", "weights")
    ]


def test_a_sleeper_whom_nothing_reaches_keeps_its_bits():
    """Its mass has many digits by then, so that weighing with it would round."""
    made = scheduled(ring(N), 50, down=[{"institution": "h1", "from": 36}])
    work = job(method("swarm/async_gossip", max_delay=3), blobs((16,) * N), schedule=made, rounds=50)
    kept = 0
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 35)
        for t in range(35, 50):
            before = runtime.models()[1]["params"]
            (done,) = runtime.advance(t, t + 1)
            if "institution-1" not in {line.dst for line in done.traffic}:
                assert same_bits(before, runtime.models()[1]["params"])
                kept += 1
            else:
                assert not same_bits(before, runtime.models()[1]["params"])  # it was on its way when it fell asleep
    assert kept > 10


@pytest.mark.parametrize("symmetric", [True, False])
def test_a_sender_does_not_know_what_will_be_lost(symmetric):
    """Half of the links fail: half of the messages are sent, not those to a neighbour that can be reached."""
    loss = {"use": "independent", "probability": 0.5, "symmetric": symmetric}
    rounds = run(gossip(120, {"link_loss": loss}, max_delay=0)).rounds
    sent = [sum(line.messages for line in each.traffic if line.kind == "weights") for each in rounds]
    assert abs(np.mean(sent) - N / 2) < 3 * np.std(sent, ddof=1) / len(sent) ** 0.5
    assert np.mean(sent) < 0.6 * N


def test_what_is_always_lost_is_local_training():
    work = gossip(6, {"link_loss": {"use": "independent", "probability": 1.0}}, lr=0.1, lr_schedule={"use": "constant"})
    alone = run(job(method("baseline/local", lr=0.1, **PLAIN), quadratic(TARGETS), rounds=6))
    assert np.array_equal(run(work).params, alone.params)


# ------------------------------------------------------------------------------------------ hosts and resume

STORMY = {
    "swarm/async_dpsgd": ({"max_delay": 3, "local_steps": 2}, LATE),
    "swarm/async_gossip": ({"max_delay": 3, "local_steps": 2}, WEATHER),
}  # fmt: skip


def stormy(name: str, hosts: int = 1, packed: bool = False):
    """Five institutions with BatchNorm; everything that a method obeys goes wrong."""
    arguments, weather = STORMY[name]
    made = scheduled(ring(5), 12, **weather)
    shards = blobs((37, 21, 48, 16, 30))
    return small_job(name, arguments, 12, hosts, shards=shards, schedule=made, packed=packed)


@pytest.mark.parametrize("name", STORMY)
@pytest.mark.parametrize("hosts", [2, 3])
def test_hosts_have_the_same_bits(name, hosts):
    expected, runtime = run(stormy(name)), ThreadHosts(stormy(name, hosts), hosts, late=0.001)
    rounds = runtime.advance(0, 12)
    assert [(each.losses, each.traffic) for each in rounds] == [(e.losses, e.traffic) for e in expected.rounds]
    assert within(runtime.models(), expected.models)
    assert runtime.mail.sent == runtime.mail.received


@pytest.mark.parametrize("name", STORMY)
def test_a_run_resumes_with_messages_on_their_way(name):
    work = stormy(name)
    with Inline() as whole:
        expected = outcome(whole, work)
    flew = 0
    for k in (3, 6, 9):
        with Inline() as first, Inline() as second:
            first.start(work)
            first.advance(0, k)
            structure, tensors = flatten(first.save())
            flew += len(first.save().get("flying", [0]))
            second.start(work)
            second.load(unflatten(json.loads(json.dumps(structure)), [tensor.clone() for tensor in tensors]))
            done = ended(second, work, second.advance(k, 12))
        assert_same(done, expected, rounds=False)
        assert [each.traffic for each in done.rounds] == [each.traffic for each in expected.rounds[k:]]
    assert flew
