"""CHOCO-SGD: the fixed point that no compressor changes, the mean it keeps, and the bytes that cross."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.swarm.choco import Choco
from swarmsim.rng import stream
from swarmsim.runtime.driver import Inline
from swarmsim.types import Part, Shard
from tests.comparing import kinds, within
from tests.jobs import complete, identity, job, mixing, quadratic, ring, run
from tests.methods import DIRECTED, small_job
from tests.schedule.graphs import run as scheduled
from tests.softmax import LR, regression, slopes, zeros

N, D, RATE = 6, 20, 0.1
TARGETS = np.random.Generator(np.random.PCG64(5)).normal(size=(N, D)) + np.arange(N)[:, None]
W = ring(N).dense()
COMPRESSORS = {  # with a gamma that each of them bears
    "identity": ({"use": "identity"}, 1.0),
    "top_k": ({"use": "top_k", "fraction": 0.2}, 0.3),
    "random_k": ({"use": "random_k", "fraction": 0.3}, 0.2),
    "scaled": ({"use": "random_k", "fraction": 0.8, "scaled": True}, 0.3),
    "sign": ({"use": "sign"}, 0.3),
    "quantised": ({"use": "quantised", "bits": 4}, 0.5),
    "2 bits": ({"use": "quantised", "bits": 2}, 0.05),
}
every_compressor = pytest.mark.parametrize(("compressor", "gamma"), COMPRESSORS.values(), ids=COMPRESSORS)


def vectors(targets) -> list[Shard]:
    """Institution i holds the one target a_i [D]."""
    parts = [Part(np.zeros((1, 1), np.float32), np.array([a])) for a in targets]
    return [Shard(f"institution-{i}", part, part, part) for i, part in enumerate(parts)]


def points(compressor: dict, gamma: float, rounds: int, lr: float = RATE, **more):
    return job(
        Choco(lr=lr, gamma=gamma, compressor=compressor), vectors(TARGETS), rounds=rounds,
        **{"mixing": ring(N), **more},
    )  # fmt: skip


def fixed_point(gamma: float) -> np.ndarray:
    """Once nothing is left to send, X = V (X - lr (X - A)) with V = I + gamma (W - I)."""
    v = np.eye(N) + gamma * (W - np.eye(N))
    return np.linalg.solve(np.eye(N) - (1 - RATE) * v, RATE * v @ TARGETS)


@every_compressor
def test_the_fixed_point_is_that_of_uncompressed_gossip(compressor, gamma):
    """Error feedback: what compression leaves out is not lost, but late."""
    done = run(points(compressor, gamma, 220))
    assert np.abs(done.params - fixed_point(gamma)).max() < 1e-6
    assert np.abs(done.params.mean(0) - TARGETS.mean(0)).max() < 1e-9


def test_on_the_ring_of_the_table_it_is_adapt_then_combine():
    done = run(job(Choco(lr=0.1, gamma=1.0, compressor={"use": "identity"}), quadratic(np.arange(8.0)), mixing=ring(8),
                   rounds=250))  # fmt: skip
    assert np.sqrt(np.mean((done.params - 3.5) ** 2)) == pytest.approx(0.541602, abs=1e-6)


@every_compressor
def test_the_mean_of_all_models_is_kept_in_every_round(compressor, gamma):
    """mean x <- mean x - lr mean (x - a), whatever was left out; and s = W xhat though no xhat_j is held."""
    with Inline() as runtime:
        runtime.start(points(compressor, gamma, 10))
        mean = np.zeros(D)
        for t in range(10):
            runtime.advance(t, t + 1)
            mean = mean - RATE * (mean - TARGETS.mean(0))
            rows = np.stack([runtime.models()[i]["params"].numpy() for i in range(N)])
            assert np.abs(rows.mean(0) - mean).max() < 1e-12
            state = runtime.save()
            public, sums = (np.stack([state[f"{name}/{i}"].numpy() for i in range(N)]) for name in ("public", "sums"))
            assert np.abs(sums - W @ public).max() < 1e-12


@pytest.mark.parametrize("graph", [mixing(DIRECTED), complete(3)])
def test_without_compression_it_is_dpsgd(graph):
    for arguments in ({"local_steps": 3}, {"batch_norm": "local"}, {"personal": ("output",)}):
        given = {**arguments, "gamma": 1.0, "compressor": {"use": "identity"}}
        options = {"mixing": graph, "model": {"dropout": 0.3}}
        choco = run(small_job("swarm/choco", given, **options)).models
        assert within(choco, run(small_job("swarm/dpsgd", arguments, **options)).models, 1e-12)


def test_with_nobody_to_talk_to_it_is_local_training_up_to_rounding():
    given = {"gamma": 0.5, "compressor": {"use": "identity"}}
    one = run(small_job("swarm/choco", given, mixing=identity(3))).models
    assert within(one, run(small_job("baseline/local", {}, mixing=identity(3))).models, 1e-12)


ROW = {"identity": 8 * D, "top_k": 4 * 12, "random_k": 6 * 8, "scaled": 16 * 8, "sign": 3 + 8, "quantised": 10 + 8,
       "2 bits": 5 + 8}  # fmt: skip


@pytest.mark.parametrize("name", COMPRESSORS)
def test_every_link_carries_one_compressed_row(name):
    compressor, gamma = COMPRESSORS[name]
    done = run(points(compressor, gamma, 2)).rounds
    assert [kinds([each]) for each in done] == [{"weights": 2 * N * ROW[name]}] * 2
    assert sum(line.messages for line in done[0].traffic) == 2 * N


def test_statistics_cross_as_they_are():
    given = {"gamma": 0.5, "compressor": {"use": "sign"}}
    sent = kinds(run(small_job("swarm/choco", given, rounds=1)).rounds)
    d = 6 * 8 + 8 + 8 * 5 + 5 + 5 * 3 + 3 + 2 * 13
    assert sent == {"weights": 3 * (-(-d // 8) + 8), "buffers": 3 * (2 * 13 * 8 + 2 * 8)}
    assert set(kinds(run(small_job("swarm/choco", {**given, "batch_norm": "local"}, rounds=1)).rounds)) == {"weights"}


@pytest.mark.parametrize("kind", ["top_k", "random_k"])
def test_a_loop_with_every_neighbours_copy_gives_the_same(kind):
    """The form of the paper that holds a copy of each neighbour's public model, on a problem that is not quadratic."""
    n, gamma, w = 5, 0.4, ring(5).dense()
    work = regression("swarm/choco", mixing=ring(5), gamma=gamma, compressor={"use": kind, "fraction": 0.25})
    x, d = zeros(), zeros().shape[1]
    k, copies = round(0.25 * d), np.zeros((n, n, d))  # copies[i, j]: what i thinks of j
    for t in range(12):
        x = x - LR * slopes(x)
        for j in range(n):
            gap = x[j] - copies[j, j]
            if kind == "top_k":
                places = np.argsort(-np.abs(gap))[:k]
            else:
                places = stream(work.seed, "wire", t, j).choice(d, k, replace=False, shuffle=False)
            copies[:, j, places] += gap[places]
        x = x + gamma * np.array([sum(w[i, j] * (copies[i, j] - copies[i, i]) for j in range(n)) for i in range(n)])
    assert np.abs(run(work).params - x).max() < 1e-12


def test_who_sleeps_stays_as_it_was_and_sends_nothing():
    awake = np.ones((2, N), bool)
    awake[1, [1, 2]] = False
    made = scheduled(ring(N), 2, down=[{"institution": f"h{i}", "from": 2} for i in (1, 2)])
    assert np.array_equal(made.active, awake)
    with Inline() as runtime:
        runtime.start(points(COMPRESSORS["top_k"][0], 0.3, 2, schedule=made))
        runtime.advance(0, 1)
        before, models = runtime.save(), runtime.models()
        sent = runtime.advance(1, 2)[0].traffic
        after, moved = runtime.save(), runtime.models()
    for i in range(N):
        assert moved[i]["params"].equal(models[i]["params"]) == (not awake[1, i])
        for name in ("public", "sums"):
            assert after[f"{name}/{i}"].equal(before[f"{name}/{i}"]) == (not awake[1, i])
    assert len(sent) == 2 * 3  # of the ring, the path 3 - 4 - 5 - 0 is left
    assert not {line.src for line in sent} & {"institution-1", "institution-2"}
