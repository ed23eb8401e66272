"""Late merging: nothing crosses for most of a run, and what it is at both ends of the choice."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.swarm.late_merge import LateMerge
from swarmsim.runtime.driver import Inline
from swarmsim.types import InputError, Schedule
from tests.comparing import kinds, within
from tests.jobs import job, quadratic, ring, run
from tests.methods import small_job
from tests.softmax import LR, regression, slopes, zeros

N, RATE = 8, 0.1
TARGETS = np.arange(N, dtype=float) ** 1.5
STORMY = {"dropout": 0.3}


def test_from_the_first_round_on_it_is_dpsgd():
    arguments = {"local_steps": 3, "personal": ("output",), "batch_norm": "local"}
    one = run(small_job("swarm/late_merge", {**arguments, "from_round": 1}, model=STORMY)).models
    assert within(one, run(small_job("swarm/dpsgd", arguments, model=STORMY)).models)


@pytest.mark.parametrize(("given", "others"), [({"final": True}, 0), ({"from_round": 4}, 3)])
def test_before_it_merges_it_is_local_training(given, others):
    """Bit for bit, and without a message."""
    work = small_job("swarm/late_merge", given, rounds=4, model=STORMY)
    with Inline() as runtime:
        runtime.start(work)
        assert not kinds(runtime.advance(0, 3))
        alone = run(small_job("baseline/local", {}, rounds=3, model=STORMY)).models
        assert within(runtime.models(), alone)
        copies = sum(line.messages for line in runtime.advance(3, 4)[0].traffic if line.kind == "weights")
        assert copies == (others or 3 * 2)


@pytest.mark.parametrize("packed", [False, True])
def test_a_final_merge_is_the_mean_of_local_training(packed):
    done = run(job(LateMerge(lr=RATE, final=True), quadratic(TARGETS), mixing=ring(N), rounds=20, packed=packed))
    expected = (1 - (1 - RATE) ** 20) * TARGETS
    assert np.abs(done.params - expected.mean()).max() < 1e-12
    assert kinds(done.rounds) == {"weights": N * (N - 1) * 8}


def test_a_window_is_dpsgd_from_where_local_training_ended():
    w = ring(N).dense()
    x = (1 - (1 - RATE) ** 14) * TARGETS
    for _ in range(6):
        x = w @ (x - RATE * (x - TARGETS))
    done = run(job(LateMerge(lr=RATE, from_round=15), quadratic(TARGETS), mixing=ring(N), rounds=20))
    assert np.abs(done.params[:, 0] - x).max() < 1e-12
    assert kinds(done.rounds) == {"weights": 6 * 2 * N * 8}
    both = run(job(LateMerge(lr=RATE, from_round=15, final=True), quadratic(TARGETS), mixing=ring(N), rounds=20))
    assert np.abs(both.params - x.mean()).max() < 1e-12
    assert kinds(both.rounds) == {"weights": (5 * 2 * N + N * (N - 1)) * 8}


def test_a_loop_over_numbers_gives_the_same():
    w, x = ring(5).dense(), zeros()
    for t in range(12):
        x = x - LR * slopes(x)
        x = w @ x if t >= 8 else x
    assert np.abs(run(regression("swarm/late_merge", mixing=ring(5), from_round=9)).params - x).max() < 1e-12


def test_who_sleeps_in_the_last_round_is_not_in_the_final_merge():
    awake = np.ones((3, N), bool)
    awake[2, [1, 4]] = False
    made = Schedule((ring(N),), active=awake)
    done = run(job(LateMerge(lr=RATE, final=True), quadratic(TARGETS), schedule=made, rounds=3))
    there, x = awake[2], done.params[:, 0]
    assert np.abs(x[there] - (1 - 0.9**3) * TARGETS[there].mean()).max() < 1e-12
    assert np.abs(x[~there] - (1 - 0.9**2) * TARGETS[~there]).max() < 1e-12
    assert kinds(done.rounds) == {"weights": 6 * 5 * 8}


def test_what_never_merges_is_refused():
    with pytest.raises(ValueError, match="baseline/local"):
        LateMerge(lr=0.1)
    with pytest.raises(InputError, match="from_round: 6 is behind the last round 5"):
        run(job(LateMerge(lr=0.1, from_round=6), quadratic(TARGETS), mixing=ring(N), rounds=5))
    assert LateMerge(lr=0.1, final=True).requirements() == ()
    assert LateMerge(lr=0.1, from_round=2).requirements() == ("doubly_stochastic",)
