"""Closed forms of rounds: baselines, neighbours on a graph, a merge at a leader.

The model is linear, 6 features to 3 classes: 21 parameters in float64 are S = 168 bytes, and training on an example
takes 2 * 6 * 3 FLOPs forward and as many back. Speeds are powers of two, so that sums are exact.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.algorithms.swarm.leader_merge import LeaderMerge
from swarmsim.models.mlp import Mlp
from swarmsim.timetable import planned
from tests.clock.clocks import clock_of, clockwork_of, ends, faulty, wired
from tests.clock.programs import lines
from tests.jobs import blobs, complete, job, mixing, ring
from tests.methods import method

SIZE, WORK = 168, 72  # bytes of the model, FLOPs of training on an example
FAST = 4096.0  # bytes/second of lines that keep nobody waiting
PACE = {"flops_per_second": 1024.0}


def small(name: str, sizes, rounds=3, **options):
    """A job of the linear model on `sizes` examples, one epoch a round."""
    return job(method(name, **options.pop("arguments", {})), blobs(sizes), Mlp(hidden=()), rounds=rounds, **options)


def training(examples: int, slower: float = 1.0) -> float:
    return WORK * examples * slower / PACE["flops_per_second"]


def own_ends(clock) -> dict:
    """When each participant was through with each round: {(t, who): seconds}, where it did anything in it."""
    ends(clock)
    found: dict = defaultdict(float)
    for who, stretch, _ in clock.timeline:
        found[stretch.round, who] = max(found[stretch.round, who], stretch.end)
    return dict(found)


# ------------------------------------------------------------------------------- baselines


def test_alone_nobody_sends_and_everybody_is_as_fast_as_it_is():
    clock = clock_of(small("baseline/local", (16, 48, 32)), pace=PACE)
    assert not clock.program(0).traffic
    assert ends(clock) == [(t + 1) * training(48) for t in range(3)]
    assert clock.idle() == {
        f"institution-{i}": 1 - size / 48 for i, size in enumerate((16, 48, 32))
    }  # fmt: skip


def test_alone_rounds_are_over_with_the_slowest_so_far():
    """A slow first round of one and a slow second one of another do not add up."""
    faults = {"stragglers": [{"institution": f"institution-{i}", "factor": 3, "from": i + 1, "until": i + 2}
                             for i in range(2)]}  # fmt: skip
    work = small("baseline/local", (32, 32, 32))
    assert ends(clock_of(work, pace=PACE, faults=faults)) == [training(32) * k for k in (3, 4, 5)]


def test_pooled_data_are_trained_on_at_the_server_alone():
    pace = {**PACE, "participants": {"server": {"flops_per_second": 4096.0}}}
    clock = clock_of(small("baseline/pooled", (16, 48, 32)), pace=pace)
    assert ends(clock) == [(t + 1) * training(96) / 4 for t in range(3)]
    assert clock.flops() == {**{f"institution-{i}": 0 for i in range(3)}, "server": WORK * 96}


@pytest.mark.parametrize("optimizer_state", ["reset", "handover"])
def test_a_travelling_model_takes_the_sum_of_all_its_turns_and_ways(optimizer_state):
    """sum_i training_i + n (latency + S / rate); the momentum that goes with it is as large as the model."""
    given = {"arguments": {"optimizer_state": optimizer_state}}
    network = {"latency": 0.25, "up": 64.0, "down": 128.0}
    way = 2 * 0.25 + (1 + (optimizer_state == "handover")) * SIZE / 64
    found = ends(clock_of(small("baseline/cyclic", (16, 48, 32), **given), network, PACE))
    assert found == [(t + 1) * (training(96) + 3 * way) for t in range(3)]


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize(("up", "down"), [(64.0, 64.0), (32.0, 128.0), (128.0, 32.0)])
def test_federated_averaging_waits_for_the_servers_line(n, up, down):
    """Training + 4 latencies + a + b + (n-1) max(a, b), with a = S / up and b = S / down of the server's line.

    Models leave one behind the other; so they come back, or stand in line where coming back takes longer (incast).
    """
    network = {"latency": 0.25, "up": FAST, "down": FAST, "participants": {"server": {"up": up, "down": down}}}
    a, b = SIZE / up, SIZE / down
    whole = training(32) + 4 * 0.25 + a + b + (n - 1) * max(a, b)
    clock = clock_of(small("baseline/fedavg", (32,) * n), network, PACE)
    assert ends(clock) == [(t + 1) * whole for t in range(3)]
    assert n < 5 or clock.causes()[0][0].startswith("server's ")


@pytest.mark.parametrize("slow", [0, 3])
def test_federated_averaging_waits_for_one_slow_hospital(slow):
    """The j-th to get the model, 8 times as slow: 4 latencies + (j+1) a + 8 training + b, if that is the longest."""
    name, a = f"institution-{slow}", SIZE / 64
    network = {"latency": 0.25, "up": FAST, "down": FAST, "participants": {"server": {"up": 64.0, "down": 64.0}}}
    clock = clock_of(small("baseline/fedavg", (32,) * 4), network, {**PACE, "slow": {name: 8.0}})
    whole = 4 * 0.25 + (slow + 1) * a + training(32, 8) + a
    assert ends(clock) == [(t + 1) * whole for t in range(3)]
    assert clock.causes()[0] == (f"computing at {name}", training(32, 8) / whole)


def test_federated_averaging_waits_for_one_slow_line():
    """Its own uplink at 8 bytes/s is the narrowest of its way: 4 latencies + (j+1) a + training + S / 8."""
    network = {"latency": 0.25, "up": FAST, "down": FAST,
               "participants": {"server": {"up": 64.0, "down": 64.0}, "institution-1": {"up": 8.0}}}  # fmt: skip
    whole = 4 * 0.25 + 2 * SIZE / 64 + training(32) + SIZE / 8
    assert ends(clock_of(small("baseline/fedavg", (32,) * 4), network, PACE)) == [(t + 1) * whole for t in range(3)]


# ------------------------------------------------------------------------------- neighbours


def test_a_round_with_neighbours_on_a_ring():
    """Training, a latency, and two models out of one line: the second of them is the last to come."""
    wires = lines(6, 0.25, 64.0)  # what comes in takes no time
    clock = wired(small("swarm/dpsgd", (32,) * 6, rounds=1, mixing=ring(6)), wires, PACE)
    assert ends(clock) == [training(32) + 0.5 + 2 * SIZE / 64]


@pytest.mark.parametrize("n", [2, 3, 5])
def test_a_round_with_everybody(n):
    """The last two wait for each other's last message in every round: training + latency + (n-1) S / up."""
    clock = wired(small("swarm/dpsgd", (32,) * n, rounds=4, mixing=complete(n)), lines(n, 0.25, 64.0), PACE)
    assert ends(clock) == [(t + 1) * (training(32) + 0.5 + (n - 1) * SIZE / 64) for t in range(4)]


def test_a_straggler_is_felt_a_hop_further_every_round():
    """Slow in round 3 (from 0): its neighbours wait in that round, those h hops away h - 1 rounds later."""
    n, slow, extra = 9, 4, 7 * training(32)
    faults = {"stragglers": [{"institution": "institution-4", "factor": 8, "from": 4, "until": 5}]}
    work = small("swarm/dpsgd", (32,) * n, rounds=8, mixing=ring(n))
    clockwork = clockwork_of(work, None, PACE, faults)
    clockwork.wires = lines(n)
    found = own_ends(clockwork.clock(work))
    for i in range(n):
        hops = min(abs(i - slow), n - abs(i - slow))
        for t in range(8):
            late = extra if t >= 3 + max(0, hops - 1) else 0.0
            assert found[t, i] == (t + 1) * training(32) + late


def connected(n: int, p: float, rng) -> np.ndarray:
    """Who has an edge to whom: a path through all, and others by chance."""
    edges = np.triu(rng.random((n, n)) < p, 1) | np.eye(n, k=1, dtype=bool)
    return edges | edges.T


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(2, 7), st.booleans())
def test_neighbours_on_any_graph_follow_the_max_plus_recursion(seed, n, finite):
    """T_i(t+1) = max(T_i + c_i, max_j (a_j + k_ji S / up + latency_ji)), a_j = max(T_j + c_j, when j's line is free).

    k_ji: i is the k-th of those to whom j sends; with infinitely fast lines a_j = T_j + c_j and S / up = 0.
    """
    rng = np.random.default_rng(seed)
    edges, rounds = connected(n, 0.4, rng), 5
    near = np.where(edges, 1 / n, 0.0)
    near[np.diag_indices(n)] = 1 - near.sum(1)
    latency, up = rng.integers(1, 9, n) / 8, (2.0 ** rng.integers(4, 8, n) if finite else np.full(n, np.inf))
    factors = 2.0 ** rng.integers(0, 4, (rounds, n))
    work = small("swarm/dpsgd", (32,) * n, rounds=rounds, mixing=mixing(near))
    clockwork = clockwork_of(work, None, PACE)
    clockwork.wires, clockwork.times.slowdown = lines(n, latency, up), factors
    found = own_ends(clockwork.clock(work))
    time, free = np.zeros(n), np.zeros(n)
    place = np.cumsum(edges, 1)  # place[j, i]: k_ji
    for t in range(rounds):
        done = time + training(32) * factors[t]
        leaves = np.maximum(done, free)
        way = place * (SIZE / up)[:, None] + np.add.outer(latency, latency)
        time = np.maximum(done, np.where(edges, leaves[:, None] + way, -np.inf).max(0))
        free = leaves + edges.sum(1) * SIZE / up
        assert [found[t, i] for i in range(n)] == time.tolist()


# ------------------------------------------------------------------------------- a leader


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize(("up", "down"), [(64.0, 64.0), (32.0, 128.0), (128.0, 32.0)])
def test_a_fixed_leader_collects_and_sends_over_its_own_line(k, up, down):
    """k others: training + 2 latencies + k b to the first merge, then as with a server; then 2 latencies + k a."""
    network = {"latency": 0.25, "up": FAST, "down": FAST, "participants": {"institution-0": {"up": up, "down": down}}}
    shards, rounds = blobs((32,) * (k + 1)), 4
    kind = LeaderMerge(lr=0.1, batch=16, leader="fixed", leader_name="institution-0")
    work = job(kind, shards, Mlp(hidden=()), rounds=rounds)
    clockwork = clockwork_of(work, network, PACE)
    made = planned(kind, replace(work.schedule, plans=()), work.names, work.sizes, rounds, 0, clockwork)
    clock = clockwork.clock(replace(work, schedule=made))
    a, b = SIZE / up, SIZE / down
    first, period = training(32) + 0.5 + k * b, training(32) + 1 + a + b + (k - 1) * max(a, b)
    assert [plan.time for plan in made.plans] == [first + t * period for t in range(rounds)]
    assert ends(clock) == [first + t * period + 0.5 + k * a for t in range(rounds)]


def test_who_is_away_holds_nobody_up_and_is_back_when_the_others_are():
    """Two of three train and meet; the third, three times as fast, is there again in round 3."""
    faults = {"down": [{"institution": "institution-2", "from": 1, "until": 3}]}
    work = faulty(small("swarm/dpsgd", (32, 32, 32), mixing=complete(3)), faults)
    clockwork = clockwork_of(work, None, {**PACE, "slow": {"institution-2": 1 / 4}})
    clockwork.wires = lines(3, 0.25)
    clock = clockwork.clock(work)
    assert ends(clock) == [(t + 1) * (training(32) + 0.5) for t in range(3)]
    rests = [(stretch.begin, stretch.end) for who, stretch, _ in clock.timeline if stretch.what == "rest"]
    assert rests == [(t * (training(32) + 0.5), (t + 1) * (training(32) + 0.5)) for t in range(2)]
