"""Clique averaging: gradients are those of a clique, models those of the graph."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.swarm.d_cliques import DCliques
from swarmsim.runtime.driver import Inline
from swarmsim.types import InputError
from tests.comparing import kinds, within
from tests.jobs import complete, job, mixing, quadratic, ring, run
from tests.methods import DIRECTED, small_job
from tests.schedule.graphs import run as scheduled
from tests.softmax import LR, regression, slopes, zeros

N, RATE = 8, 0.1
TARGETS = np.arange(N, dtype=float) ** 1.5
CLIQUES = ((0, 7), (1, 6), (2, 5, 4), (3,))
C = np.zeros((N, N))
for clique in CLIQUES:
    C[np.ix_(clique, clique)] = 1 / len(clique)
PLAIN = {"momentum": 0.0, "lr": 0.3}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("momentum", [0.0, 0.5])
def test_the_fixed_point_is_that_of_its_equations(momentum, packed):
    """X = W (X - lr / (1 - momentum) C (X - a))."""
    lr, w = RATE / (1 - momentum), ring(N).dense()
    expected = np.linalg.solve(np.eye(N) - w @ (np.eye(N) - lr * C), lr * w @ C @ TARGETS)
    work = job(
        DCliques(lr=RATE, cliques=CLIQUES, momentum=momentum), quadratic(TARGETS), mixing=ring(N), rounds=400,
        packed=packed,
    )  # fmt: skip
    x = run(work).params[:, 0]
    assert np.abs(x - expected).max() < 1e-9
    assert x.mean() == pytest.approx(TARGETS.mean(), abs=1e-9)


def test_cliques_of_one_are_dpsgd():
    for momentum in (0.0, 0.9):
        arguments = {"local_steps": 1, "personal": ("output",), "momentum": momentum}
        one = run(small_job("swarm/d_cliques", {**arguments, "cliques": ((0,), (1,), (2,))}, mixing=mixing(DIRECTED)))
        assert within(one.models, run(small_job("swarm/dpsgd", arguments, mixing=mixing(DIRECTED))).models, 1e-12)


def test_one_clique_on_the_complete_graph_is_gradient_descent():
    x = zeros()[0]
    for _ in range(12):
        x = x - LR * slopes(np.tile(x, (5, 1))).mean(0)
    done = run(regression("swarm/d_cliques", mixing=complete(5), cliques=((0, 1, 2, 3, 4),)))
    assert np.abs(done.params - x).max() < 1e-12


def test_a_loop_over_numbers_gives_the_same():
    cliques, w, x, v = ((0, 3), (1, 2, 4)), ring(5).dense(), zeros(), zeros()
    for _ in range(12):
        own, g = slopes(x), np.empty_like(x)
        for members in cliques:
            g[list(members)] = own[list(members)].mean(0)
        v = 0.5 * v + g
        x = w @ (x - LR * v)
    done = run(regression("swarm/d_cliques", mixing=ring(5), cliques=cliques, momentum=0.5))
    assert np.abs(done.params - x).max() < 1e-12


def test_gradients_cross_within_cliques_and_models_over_links():
    work = job(DCliques(lr=RATE, cliques=CLIQUES), quadratic(TARGETS), mixing=ring(N), rounds=2)
    pairs = 2 + 2 + 6
    assert [kinds([each]) for each in run(work).rounds] == [{"optimizer_state": pairs * 8, "weights": 2 * N * 8}] * 2


def test_personal_gradients_stay_at_home():
    given = {**PLAIN, "cliques": ((0, 1, 2),), "personal": ("output",)}
    sent = kinds(run(small_job("swarm/d_cliques", given, rounds=1)).rounds)
    shared = 6 * 8 + 8 + 8 * 5 + 5 + 2 * 13
    assert (sent["optimizer_state"], sent["weights"]) == (6 * shared * 8, 3 * shared * 8)


def test_storms_take_gradients_from_those_who_are_heard():
    storm = {"link_loss": {"use": "independent", "probability": 0.4, "symmetric": False}, "participation": 0.7}
    made = scheduled(complete(N), 20, **storm)
    work = job(DCliques(lr=RATE, cliques=CLIQUES), quadratic(TARGETS), schedule=made, rounds=20)
    x, seen = np.zeros(N), 0
    with Inline() as runtime:
        runtime.start(work)
        for t in range(20):
            done, tick = runtime.advance(t, t + 1)[0], made.tick(t)
            awake, g = tick.awake(range(N)), np.zeros(N)
            for members in CLIQUES:
                for i in set(members) & set(awake):
                    heard = [j for j in members if j in awake and (j, i) not in tick.lost]
                    g[i] = np.mean([x[j] - TARGETS[j] for j in heard])
            x = tick.mixing.dense() @ (x - RATE * g)
            rows = np.array([float(runtime.models()[i]["params"]) for i in range(N)])
            assert np.abs(rows - x).max() < 1e-12
            seen += kinds([done])["lost_optimizer_state"]
    assert seen


@pytest.mark.parametrize("cliques", [((0, 1),), ((0, 1), (1, 2)), ((0, 1), (2, 3))])
def test_everybody_is_in_one_clique(cliques):
    with pytest.raises(InputError, match="each of the numbers 0 to 2"):
        DCliques(lr=0.1, cliques=cliques).check_names(["a", "b", "c"])
