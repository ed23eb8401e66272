"""Fixed points on the quadratic objective: ring of 8, a_i = i, lr .1 (Yuan, Ling and Yin 2016; a line of algebra).

The mean is 3.5 in every row of the table, so the spread is what is tested; and each institution's own value.
"""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.baseline.local import Local
from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from tests.jobs import job, quadratic, ring, run

N, LR = 8, 0.1
TARGETS = np.arange(N, dtype=float)
W = ring(N).dense()
I = np.eye(N)  # noqa: E741


def combine_then_adapt() -> np.ndarray:
    return np.linalg.solve(I - W + LR * I, LR * TARGETS)


def adapt_then_combine(lr: float = LR) -> np.ndarray:
    return np.linalg.solve(I - (1 - lr) * W, lr * W @ TARGETS)


def local_steps(tau: int) -> np.ndarray:
    r = (1 - LR) ** tau
    return np.linalg.solve(I - r * W, (1 - r) * W @ TARGETS)


CASES = {
    "no communication": (Local(lr=LR), TARGETS, 2.291288, 250),
    "combine then adapt": (Dpsgd(lr=LR, order="combine_then_adapt"), combine_then_adapt(), 0.643180, 250),
    "adapt then combine": (Dpsgd(lr=LR), adapt_then_combine(), 0.541602, 250),
    "2 local steps": (Dpsgd(lr=LR, local_steps=2), local_steps(2), 0.816674, 130),
    "10 local steps": (Dpsgd(lr=LR, local_steps=10), local_steps(10), 1.373489, 30),
    "local heavy ball": (Dpsgd(lr=LR, momentum=0.9), adapt_then_combine(LR / (1 - 0.9)), 1.536591, 480),  # trap 23
}


@pytest.mark.parametrize("packed", [False, True], ids=["inline", "packed"])
@pytest.mark.parametrize("case", CASES)
def test_a_method_ends_in_its_closed_form(case, packed):
    algorithm, closed_form, rms, rounds = CASES[case]
    done = run(job(algorithm, quadratic(TARGETS), mixing=ring(N), rounds=rounds, packed=packed))
    x = done.params[:, 0]
    assert np.abs(x - closed_form).max() < 1e-9
    assert np.sqrt(np.mean((x - 3.5) ** 2)) == pytest.approx(rms, abs=1e-6)
    assert x.mean() == pytest.approx(3.5, abs=1e-9)


def test_the_reported_consensus_distances_are_those_of_the_fixed_point():
    done = run(job(Dpsgd(lr=LR), quadratic(TARGETS), mixing=ring(N), rounds=250))
    expected = (adapt_then_combine() - 3.5) ** 2
    assert [done.distances[i] for i in range(N)] == pytest.approx(expected, abs=1e-9)


def test_two_topologies_have_two_consensus_distances():
    """Trap 37: a topology that changes nothing because every round is a global average."""
    line = np.eye(N) - 0.5 * np.diag([1] + [2] * (N - 2) + [1]) * 0.5
    line += 0.25 * (np.eye(N, k=1) + np.eye(N, k=-1))
    from tests.jobs import complete, mixing

    spread = [
        sum(run(job(Dpsgd(lr=LR), quadratic(TARGETS), mixing=each, rounds=50)).distances.values())
        for each in (complete(N), ring(N), mixing(line))
    ]
    assert spread[0] < 1e-20
    assert spread[0] < 0.5 * spread[1] < 0.5 * spread[2]
