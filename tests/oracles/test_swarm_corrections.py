"""Decentralised methods on the quadratic objective, against closed forms and recursions written down by hand.

Ring of 8, a_i = i, lr .1: f_i = (x - a_i)^2 / 2, whose mean has its optimum at 3.5.
"""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.swarm.d2 import D2
from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.algorithms.swarm.exact_diffusion import ExactDiffusion
from swarmsim.algorithms.swarm.extra import Extra
from swarmsim.algorithms.swarm.gradient_tracking import GradientTracking
from swarmsim.algorithms.swarm.quasi_global import QuasiGlobal
from swarmsim.local.training import LearningRate
from swarmsim.types import Part, Shard
from tests.jobs import identity, job, mixing, quadratic, ring, run

N, LR = 8, 0.1
TARGETS = np.arange(N, dtype=float)
W = ring(N).dense()
I = np.eye(N)  # noqa: E741
CTA = "combine_then_adapt"
EXACT = {
    "gradient tracking": GradientTracking(lr=LR),
    "DIGing": GradientTracking(lr=LR, order=CTA),
    "exact diffusion": ExactDiffusion(lr=LR),
    "exact diffusion with W": ExactDiffusion(lr=LR, lazy=False),
    "D2": D2(lr=LR),
    "D2 with (I + W) / 2": D2(lr=LR, lazy=True),
    "EXTRA": Extra(lr=LR),
}


def sized(sizes, targets=TARGETS) -> list[Shard]:
    """Institution i holds its target N_i times."""
    parts = [Part(np.zeros((m, 1), np.float32), np.full((m, 1), float(a))) for m, a in zip(sizes, targets, strict=True)]
    return [Shard(f"institution-{i}", part, part, part) for i, part in enumerate(parts)]


def end(algorithm, mix=None, rounds: int = 300, shards=None, packed: bool = True) -> np.ndarray:
    work = job(algorithm, shards or quadratic(TARGETS), mixing=mix or ring(N), rounds=rounds, packed=packed)
    return run(work).params[:, 0]


def rms(x: np.ndarray, optimum: float = 3.5) -> float:
    return float(np.sqrt(np.mean((x - optimum) ** 2)))


@pytest.mark.parametrize("case", EXACT)
def test_a_corrected_method_reaches_the_optimum_at_every_institution(case):
    assert rms(end(EXACT[case])) < 1e-6


def test_quasi_global_momentum_ends_where_plain_adapt_then_combine_ends():
    """Trap 23: a local heavy ball ends at 1.536591, a mixed one elsewhere again."""
    x = end(QuasiGlobal(lr=LR, momentum=0.5))
    assert np.abs(x - np.linalg.solve(I - (1 - LR) * W, LR * W @ TARGETS)).max() < 1e-9
    assert rms(x) == pytest.approx(0.541602, abs=1e-6)


def test_a_mixed_heavy_ball_has_a_fixed_point_of_its_own():
    """u = m v + x - a, v = W u, x = W (x - lr u)."""
    m, zero = 0.9, np.zeros((N, N))
    left = np.block([[I, -m * I, -I], [-W, I, zero], [LR * W, zero, I - W]])
    expected = np.linalg.solve(left, np.concatenate([-TARGETS, np.zeros(2 * N)]))[2 * N :]
    x = end(Dpsgd(lr=LR, momentum=m, optimizer_state="mixed"), rounds=450)
    assert np.abs(x - expected).max() < 1e-9
    assert abs(rms(x) - 1.536591) > 0.1 < abs(rms(x) - 0.541602)


SIZES = (1, 1, 1, 1, 1, 1, 1, 9)  # p a = 84 / 16 = 5.25
P = np.array(SIZES) / 16


@pytest.mark.parametrize("order", ["adapt_then_combine", CTA])
def test_gradients_that_count_by_examples_end_at_the_weighted_optimum(order):
    """Trap 33: rows of W weighted by examples end at 5.9118 instead."""
    algorithm = Dpsgd(lr=LR, order=order, gradient_weights="samples")
    x = end(algorithm, shards=sized(SIZES), rounds=500)
    D = LR * N * np.diag(P)
    closed_form = {
        "adapt_then_combine": lambda: np.linalg.solve(I - W @ (I - D), W @ D @ TARGETS),
        CTA: lambda: np.linalg.solve(I - W + D, D @ TARGETS),
    }[order]()
    assert np.abs(x - closed_form).max() < 1e-9
    assert P @ x == pytest.approx(5.25, abs=1e-9)


def test_rows_of_w_that_count_by_examples_have_another_fixed_point():
    """The number of trap 33: the left eigenvector of the ring's W with the neighbours' counts."""
    rows = (W > 0) * np.array(SIZES, dtype=float)
    rows /= rows.sum(1, keepdims=True)
    values, vectors = np.linalg.eig(rows.T)
    perron = np.real(vectors[:, np.argmax(np.real(values))])
    assert perron @ TARGETS / perron.sum() == pytest.approx(5.9118, abs=1e-4)


@pytest.mark.parametrize("case", ["gradient tracking", "exact diffusion", "D2", "EXTRA"])
def test_corrected_methods_reach_the_weighted_optimum_itself(case):
    algorithm = EXACT[case].model_copy(update={"gradient_weights": "samples"})
    assert rms(end(algorithm, shards=sized(SIZES), rounds=500), 5.25) < 1e-6


def test_d2_and_exact_diffusion_need_eigenvalues_above_a_third_below_zero():
    """Here the smallest is -1/2: z^2 = l ((2 - lr) z - (1 - lr)) has a root beyond -1; trap 24."""
    eye = np.eye(N)
    bare = mixing(0.25 * eye + 0.375 * (np.roll(eye, 1, 0) + np.roll(eye, -1, 0)))
    assert np.linalg.eigvalsh(bare.dense()).min() == pytest.approx(-0.5)
    with np.errstate(over="ignore"):
        for kind in (D2, ExactDiffusion):
            assert rms(end(kind(lr=LR, lazy=False), bare, rounds=100)) > 1e3
            assert rms(end(kind(lr=LR, lazy=True), bare)) < 1e-6


@pytest.mark.parametrize("kind", [D2, ExactDiffusion])
def test_what_is_required_of_w_depends_on_lazy(kind):
    assert kind(lr=LR, lazy=True).requirements() == ("doubly_stochastic", "symmetric")
    assert kind(lr=LR, lazy=False).requirements() == ("doubly_stochastic", "symmetric", "lambda_min", "static")
    assert GradientTracking(lr=LR).requirements() == Dpsgd(lr=LR).requirements() == ("doubly_stochastic",)


# ------------------------------------------------------------------ the published recursions, round by round


def gradient(x: np.ndarray) -> np.ndarray:
    return x - TARGETS


def d2(V: np.ndarray, T: int) -> np.ndarray:
    old, x = np.zeros(N), V @ (np.zeros(N) - LR * gradient(np.zeros(N)))
    for _ in range(T - 1):
        old, x = x, V @ (2 * x - old - LR * (gradient(x) - gradient(old)))
    return x


def extra(T: int) -> np.ndarray:
    old, x = np.zeros(N), W @ np.zeros(N) - LR * gradient(np.zeros(N))
    for _ in range(T - 1):
        old, x = x, (I + W) @ x - (I + W) / 2 @ old - LR * (gradient(x) - gradient(old))
    return x


def diging(T: int) -> np.ndarray:
    x = np.zeros(N)
    y = gradient(x)
    for _ in range(T):
        new = W @ x - LR * y
        x, y = new, W @ y + gradient(new) - gradient(x)
    return x


def aug_dgm(T: int) -> np.ndarray:
    x = np.zeros(N)
    y = W @ gradient(x)
    for _ in range(T):
        new = W @ (x - LR * y)
        x, y = new, W @ (y + gradient(new) - gradient(x))
    return x


def quasi_global(T: int, beta: float, mu: float) -> np.ndarray:
    x, m = np.zeros(N), np.zeros(N)
    for _ in range(T):
        new = W @ (x - LR * (beta * m + gradient(x)))
        x, m = new, mu * m + (1 - mu) * (x - new) / LR
    return x


PUBLISHED = {
    "D2": (D2(lr=LR), lambda T: d2(W, T)),
    "D2 lazy": (D2(lr=LR, lazy=True), lambda T: d2((I + W) / 2, T)),
    "exact diffusion": (ExactDiffusion(lr=LR), lambda T: d2((I + W) / 2, T)),
    "exact diffusion with W": (ExactDiffusion(lr=LR, lazy=False), lambda T: d2(W, T)),
    "EXTRA": (Extra(lr=LR), extra),
    "DIGing": (GradientTracking(lr=LR, order=CTA), diging),
    "Aug-DGM": (GradientTracking(lr=LR), aug_dgm),
    "quasi-global": (QuasiGlobal(lr=LR, momentum=0.8), lambda T: quasi_global(T, 0.8, 0.8)),
    "quasi-global, two numbers": (QuasiGlobal(lr=LR, momentum=0.8, memory=0.6), lambda T: quasi_global(T, 0.8, 0.6)),
}


@pytest.mark.parametrize("rounds", [1, 2, 9])
@pytest.mark.parametrize("case", PUBLISHED)
def test_every_round_is_that_of_the_published_recursion(case, rounds):
    algorithm, recursion = PUBLISHED[case]
    x = end(algorithm, rounds=rounds, packed=rounds == 2)
    assert np.abs(x - recursion(rounds)).max() < 1e-12


@pytest.mark.parametrize("case", EXACT)
def test_a_corrected_method_without_neighbours_is_gradient_descent(case):
    """W = I: everyone ends at its own optimum, by plain steps x <- a + (1 - lr) (x - a)."""
    x = end(EXACT[case], identity(N), rounds=6)
    assert np.abs(x - TARGETS * (1 - (1 - LR) ** 6)).max() < 1e-12


@pytest.mark.parametrize("case", [case for case in EXACT if case not in ("D2", "exact diffusion with W")])
def test_a_learning_rate_that_falls_ends_at_the_optimum_too(case):
    schedule = LearningRate(use="step", every=100, factor=0.5)
    assert rms(end(EXACT[case].model_copy(update={"lr_schedule": schedule}), rounds=400)) < 1e-4
