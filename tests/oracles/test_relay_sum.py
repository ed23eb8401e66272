"""Sums relayed along a tree: exact averages that arrive by distance, whatever is lost on the way."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

from swarmsim.algorithms.swarm.relay_sum import RelaySum
from swarmsim.runtime.driver import Inline
from swarmsim.types import Schedule
from tests.comparing import bytes_of, kinds, within
from tests.jobs import blobs, complete, identity, job, quadratic, run
from tests.methods import small_job
from tests.schedule.graphs import metropolis
from tests.schedule.graphs import run as scheduled
from tests.softmax import LR, regression, slopes, zeros

TARGETS = np.arange(8, dtype=float) ** 1.5
TREES = {
    "path": networkx.path_graph(8),
    "star": networkx.star_graph(7),
    "binary": networkx.Graph([(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (2, 6), (3, 7)]),
}
every_tree = pytest.mark.parametrize("tree", TREES.values(), ids=TREES)


def distances(tree) -> np.ndarray:
    lengths = dict(networkx.all_pairs_shortest_path_length(tree))
    return np.array([[lengths[i][j] for j in range(len(tree))] for i in range(len(tree))])


def delayed(halves: list[np.ndarray], tau: np.ndarray) -> np.ndarray:
    """x_i: the mean of all models as they were tau_ij - 1 rounds ago, of those that got through."""
    t, rows = len(halves) - 1, []
    for row in tau:
        late = np.maximum(row - 1, 0)
        rows.append(np.mean([halves[t - late[j]][j] for j in range(len(row)) if late[j] <= t], axis=0))
    return np.array(rows)


@every_tree
def test_the_average_is_exact_after_diameter_rounds_and_not_before(tree):
    """lr 1 takes every institution to its own target in every round, so that only what is relayed differs."""
    diameter = networkx.diameter(tree)
    for rounds in (diameter - 1, diameter, diameter + 3):
        done = run(job(RelaySum(lr=1.0), quadratic(TARGETS), mixing=metropolis(tree), rounds=rounds))
        error = np.abs(done.params - TARGETS.mean()).max()
        assert error > 0.1 if rounds < diameter else error < 1e-12
        if rounds >= diameter:
            assert np.allclose([_count(done, i) for i in range(8)], 8, rtol=0, atol=0)


def _count(done, i: int) -> float:
    """1 + sum_j c_ji at institution i."""
    return 1 + sum(float(message["count"]) for message in done.state[f"heard/{i}"].values())


@every_tree
def test_the_fixed_point_is_the_optimum_of_all(tree):
    done = run(job(RelaySum(lr=0.5), quadratic(TARGETS), mixing=metropolis(tree), rounds=200))
    assert np.sqrt(np.mean((done.params - TARGETS.mean()) ** 2)) < 1e-6


@every_tree
def test_the_weights_of_w_are_not_used(tree):
    equal = metropolis(tree)
    other = metropolis(tree)
    other.weights[:] = 0.123
    one, two = (run(job(RelaySum(lr=0.1), quadratic(TARGETS), mixing=w, rounds=6)).params for w in (equal, other))
    assert np.array_equal(one, two)


TREE = networkx.Graph([(0, 3), (3, 1), (3, 4), (4, 2)])


def test_a_loop_over_late_numbers_gives_the_same():
    """The closed form knows distances and no messages."""
    work, x, halves, tau = regression("swarm/relay_sum", mixing=metropolis(TREE)), zeros(), [], distances(TREE)
    for _ in range(12):
        halves.append(x - LR * slopes(x))
        x = delayed(halves, tau)
    assert np.abs(run(work).params - x).max() < 1e-12


def test_two_institutions_are_dpsgd():
    options = {"shards": blobs((37, 37)), "mixing": complete(2), "model": {"dropout": 0.3}}
    for arguments in ({"local_steps": 3}, {"personal": ("output",)}, {"batch_norm": "local"}):
        one, other = (run(small_job(name, arguments, **options)).models for name in ("swarm/relay_sum", "swarm/dpsgd"))
        assert within(one, other, 1e-12)


def test_without_links_it_is_local_training():
    options = {"mixing": identity(3), "model": {"dropout": 0.3}}
    one, other = (run(small_job(name, {}, **options)).models for name in ("swarm/relay_sum", "baseline/local"))
    assert within(one, other)


@every_tree
def test_a_link_carries_a_sum_and_a_count_each_way(tree):
    done = run(job(RelaySum(lr=0.1), quadratic(TARGETS), mixing=metropolis(tree), rounds=3)).rounds
    assert [kinds([each]) for each in done] == [{"weights": 14 * 8, "control": 14 * 8}] * 3
    assert bytes_of(done[:1], src="institution-0", kind="weights") == tree.degree[0] * 8


def test_statistics_travel_apart_and_personal_stages_not_at_all():
    rounds = run(small_job("swarm/relay_sum", {"personal": ("output",)}, rounds=1)).rounds
    shared, statistics = 6 * 8 + 8 + 8 * 5 + 5 + 2 * 13, 2 * 13  # hidden stages with BatchNorm's scale and shift
    assert kinds(rounds) == {"weights": 4 * shared * 8, "buffers": 4 * statistics * 8, "control": 4 * 8}


def test_what_is_lost_or_asleep_is_stood_in_for_and_counted():
    """With lr 1 everybody sends the same in every round, so that a last message is as good as a new one."""
    tree = TREES["binary"]
    storm = {"link_loss": {"use": "independent", "probability": 0.3, "symmetric": False}, "participation": 0.7}
    made = scheduled(metropolis(tree), 60, **storm)
    work = job(RelaySum(lr=1.0), quadratic(TARGETS), schedule=made, rounds=60)
    with Inline() as runtime:
        runtime.start(work)
        for t in range(60):
            before, tick = runtime.models(), made.tick(t)
            done = runtime.advance(t, t + 1)[0]
            after = runtime.models()
            asleep = set(range(8)) - set(tick.awake(range(8)))
            assert all(after[i]["params"].equal(before[i]["params"]) for i in asleep)
            assert kinds([done])["lost_weights"] == kinds([done])["lost_control"] == 8 * len(tick.lost)
            entries = len(tick.mixing.columns) - 8
            assert kinds([done])["weights"] == 8 * entries
    models = np.array([float(after[i]["params"]) for i in tick.awake(range(8))])
    assert np.abs(models - TARGETS.mean()).max() < 1e-12


def test_a_lost_message_is_replaced_by_the_last_that_arrived():
    pair = complete(2)
    lost = Schedule((pair, identity(2)), np.array([0, 1, 0]), lost={1: ((0, 1), (1, 0))})
    done = run(job(RelaySum(lr=0.5), quadratic([0.0, 4.0]), schedule=lost, rounds=2))
    first = np.array([0.0, 2.0])  # after the first step, both take the mean 1
    second = np.array([0.5, 2.5])
    assert done.params.ravel().tolist() == [(second[0] + first[1]) / 2, (second[1] + first[0]) / 2]
