"""Push-sum on directed graphs: its fixed point, its weights, and the mean that it keeps whatever is lost."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.algorithms.swarm.push_sum import PushSum
from swarmsim.runtime.driver import Inline
from swarmsim.types import Schedule
from tests.comparing import kinds, within
from tests.jobs import blobs, complete, job, mixing, quadratic, run
from tests.methods import DIRECTED, method, small_job
from tests.schedule.graphs import push
from tests.schedule.graphs import run as scheduled
from tests.softmax import LR, SHARDS, regression, slopes, zeros

TARGETS = np.arange(6, dtype=float)
ARCS = [(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 0), (0, 3), (0, 4), (1, 4)]  # some send more than they hear
LOPSIDED = push(networkx.DiGraph(ARCS))
ONCE = {"lr": 1.0, "lr_schedule": {"use": "step", "every": 1, "factor": 1e-15}}  # x_i = a_i, then averaging alone


def perron(matrix: np.ndarray) -> np.ndarray:
    """The eigenvector of the eigenvalue 1, summing to its length."""
    values, vectors = np.linalg.eig(matrix)
    vector = np.real(vectors[:, np.argmin(np.abs(values - 1))])
    return vector * len(vector) / vector.sum()


def test_the_graph_is_one_that_needs_push_sum():
    w = LOPSIDED.dense()
    assert np.allclose(w.sum(0), 1)
    assert np.abs(w.sum(1) - 1).max() > 0.3


@pytest.mark.parametrize("packed", [False, True])
def test_averaging_over_a_directed_graph_finds_the_mean(packed):
    """Trap 26: rows that are made to sum to 1 find a mean weighted by their left eigenvector."""
    done = run(job(PushSum(**ONCE), quadratic(TARGETS), mixing=LOPSIDED, rounds=200, packed=packed))
    assert np.abs(done.params - TARGETS.mean()).max() < 1e-12
    w = LOPSIDED.dense()
    by_rows = w / w.sum(1, keepdims=True)
    wrong = run(job(Dpsgd(**ONCE), quadratic(TARGETS), mixing=mixing(by_rows), rounds=200)).params
    weighted = perron(by_rows.T) @ TARGETS / 6
    assert np.abs(wrong - weighted).max() < 1e-9
    assert abs(weighted - TARGETS.mean()) > 0.1


def test_the_fixed_point_is_that_of_its_equations():
    """x = W (x - lr (x / w - a)) with w the eigenvector of W; the mean of the models is exact."""
    lr, w = 0.1, LOPSIDED.dense()
    masses = perron(w)
    x = np.linalg.solve(np.eye(6) - w + lr * w @ np.diag(1 / masses), lr * w @ TARGETS)
    done = run(job(PushSum(lr=lr), quadratic(TARGETS), mixing=LOPSIDED, rounds=600))
    assert np.abs(done.params[:, 0] - x / masses).max() < 1e-9
    assert done.params.mean() == pytest.approx(2.5, abs=1e-9)
    assert [float(done.state[f"masses/{i}"]) for i in range(6)] == pytest.approx(masses, abs=1e-9)


@pytest.mark.parametrize("batch_norm", ["average", "local"])
def test_with_doubly_stochastic_weights_it_is_dpsgd(batch_norm):
    arguments = {"local_steps": 3, "batch_norm": batch_norm, "personal": ("output",)}
    one, other = (
        run(small_job(name, arguments, mixing=mixing(DIRECTED), model={"dropout": 0.3})).models
        for name in ("swarm/push_sum", "swarm/dpsgd")
    )
    assert within(one, other)


def test_a_message_is_a_model_and_one_number():
    work = small_job("swarm/push_sum", {}, rounds=1)
    size = sum(row.numel() for row in run(work).models[0].values() if row.is_floating_point())
    sent = kinds(run(work).rounds)
    statistics = 2 * (8 + 5)
    assert sent["weights"] == 3 * (size - statistics) * 8
    assert sent["control"] == 3 * 8


def test_nothing_is_lost_where_messages_are_and_institutions_sleep():
    """Trap 25: the weights sum to n and sum w z stays that of the start; who sleeps stays as it was."""
    rounds = 30
    storm = {"link_loss": {"use": "independent", "probability": 0.3, "symmetric": False}, "participation": 0.7}
    made = scheduled(LOPSIDED, rounds, lost_weight="sender", **storm)
    calm_first = Schedule(
        (*made.mixings, LOPSIDED), np.concatenate([[len(made.mixings)], made.which]),
        np.vstack([np.ones((1, 6), bool), made.active]), {t + 1: lost for t, lost in made.lost.items()},
    )  # fmt: skip
    work = job(PushSum(**ONCE), quadratic(TARGETS), schedule=calm_first, rounds=rounds + 1)
    with Inline() as runtime:
        runtime.start(work)
        slept = 0
        for t in range(rounds + 1):
            before = runtime.models()
            runtime.advance(t, t + 1)
            models, state = runtime.models(), runtime.save()
            masses = [float(state[f"masses/{i}"]) for i in range(6)]
            assert sum(masses) == pytest.approx(6, abs=1e-12)
            assert sum(m * float(models[i]["params"]) for i, m in enumerate(masses)) == pytest.approx(15, abs=1e-11)
            asleep = set(range(6)) - set(work.schedule.tick(t).awake(range(6)))
            slept += len(asleep)
            assert all(models[i]["params"].equal(before[i]["params"]) for i in asleep)
    assert slept > 20
    assert len(made.lost) > 10


def test_personal_stages_are_neither_sent_nor_divided():
    """Without training every stage keeps its value, whatever the push-sum weights are."""
    work = job(
        method("swarm/push_sum", lr=1e-15, personal=("output",)), blobs((16,) * 6), mixing=LOPSIDED, rounds=5
    )  # fmt: skip
    with Inline() as runtime:
        runtime.start(work)
        before = runtime.models()[0]["params"]
        runtime.advance(0, 5)
        assert all((held["params"] - before).abs().max() < 1e-12 for held in runtime.models().values())
        assert abs(float(runtime.save()["masses/4"]) - 1) > 0.1


def test_a_loop_over_numbers_gives_the_same_on_changing_graphs():
    n = len(SHARDS)
    graphs = [networkx.DiGraph([(i, (i + k) % n) for i in range(n)] + [(0, 2)]) for k in (1, 2)]
    matrices = [push(graph) for graph in graphs]
    work = regression("swarm/push_sum", schedule=Schedule(tuple(matrices), np.arange(12) % 2))
    x, w = zeros(), np.ones(n)
    for t in range(12):
        p = matrices[t % 2].dense()
        x, w = p @ (x - LR * slopes(x / w[:, None])), p @ w
    assert np.abs(run(work).params - x / w[:, None]).max() < 1e-12


def test_one_institution_trains_alone():
    alone = {"shards": blobs((37,)), "mixing": complete(1)}
    assert within(
        run(small_job("swarm/push_sum", {}, **alone)).models, run(small_job("baseline/local", {}, **alone)).models
    )
