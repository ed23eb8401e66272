"""Pairwise gossip and epidemic learning: published contraction rates, and what the draws must be."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.algorithms.swarm.epidemic import Epidemic
from swarmsim.algorithms.swarm.pairwise import Pairwise
from swarmsim.runtime.driver import Inline
from swarmsim.types import InputError, Schedule, Tick
from tests.comparing import bytes_of, kinds, within
from tests.jobs import blobs, complete, job, mixing, quadratic, ring, run
from tests.methods import small_job
from tests.schedule.graphs import run as scheduled
from tests.softmax import LR, SHARDS, regression, slopes, zeros

N, DRAWS = 8, 4000
START = np.arange(N) ** 1.5
FROZEN = {"lr": 1e-15}
ONCE = {"lr": 1.0, "lr_schedule": {"use": "step", "every": 1, "factor": 1e-15}}  # x_i = a_i, then averaging alone


def spread(x: np.ndarray) -> float:
    return float(np.square(x - x.mean()).sum())


def contraction(matrices) -> float:
    """E sum ||x_i - xbar||^2 after a round, relative to before, from one start."""
    return np.mean([spread(w @ START) for w in matrices]) / spread(START)


def pairwise(pairs: str, w=None, draws: int = DRAWS, **tick):
    """W of some rounds."""
    method, w = Pairwise(lr=0.1, pairs=pairs), w or complete(N)
    return [method.meetings(Tick(t, w, **tick), seed=3).mixing.dense() for t in range(draws)]


def epidemic(choice: str, s: int, n: int = N, draws: int = DRAWS, active=None):
    """Who hears from whom in some rounds [draws, n, n], without the diagonal."""
    method, found = Epidemic(lr=0.1, fanout=s, choice=choice), np.zeros((draws, n, n))
    for t in range(draws):
        for i, senders in enumerate(method.heard(Tick(t, active=active), n, seed=3)):
            found[t, i, senders] += 1
    return found


# ------------------------------------------------------------------------------------------- pairwise gossip


@pytest.mark.parametrize(("pairs", "rate"), [("one", 1 - 1 / (N - 1)), ("matching", (N - 2) / (2 * (N - 1)))])
def test_pairs_contract_at_the_published_rate(pairs, rate):
    assert contraction(pairwise(pairs)) == pytest.approx(rate, rel=0.02)


@pytest.mark.parametrize("graph", [ring(N), mixing([[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]), complete(5)])
@pytest.mark.parametrize("pairs", ["one", "matching"])
def test_pairs_are_links_and_take_plain_means(pairs, graph):
    links = (graph.dense() > 0) | np.eye(graph.n, dtype=bool)
    for w in pairwise(pairs, graph, draws=200):
        assert np.array_equal(w, w.T)
        assert np.array_equal(w.sum(0), np.ones(len(w)))
        assert not w[~links].any()
        met = (w == 0.5).sum() // 4
        assert set(np.unique(w)) <= {0.0, 0.5, 1.0}
        assert met == 1 if pairs == "one" else 1 <= met <= len(w) // 2


def test_a_matching_leaves_no_link_between_two_who_are_free():
    links = ring(7).dense() > 0
    for w in pairwise("matching", ring(7), draws=200):
        free = np.flatnonzero(w.diagonal() == 1)
        assert not (links[np.ix_(free, free)] & ~np.eye(len(free), dtype=bool)).any()


def test_a_caller_is_drawn_before_its_neighbour():
    """On a path of three, each end calls the middle, and the middle either end: both links equally often."""
    path = mixing([[0.6, 0.4, 0], [0.4, 0.2, 0.4], [0, 0.4, 0.6]])
    first = np.mean([w[0, 1] == 0.5 for w in pairwise("one", path)])
    assert first == pytest.approx(0.5, abs=0.03)
    star = np.zeros((4, 4))
    star[0, 1:] = star[1:, 0] = 0.2
    star[1, 2] = star[2, 1] = 0.2  # degrees 3, 2, 2, 1
    star += np.diag(1 - star.sum(1))
    to_leaf = np.mean([w[0, 3] == 0.5 for w in pairwise("one", mixing(star))])
    assert to_leaf == pytest.approx((1 + 1 / 3) / 4, abs=0.03)


def test_a_directed_link_is_no_pair():
    one_way = mixing([[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]])
    assert all(np.array_equal(w, np.eye(3)) for w in pairwise("matching", one_way, draws=20))


def test_a_pair_that_loses_a_message_keeps_its_models_and_sends_all_the_same():
    lost = Schedule((mixing(np.eye(2)),), lost={0: ((0, 1), (1, 0))})
    both = run(job(Pairwise(**ONCE), quadratic([0.0, 4.0]), schedule=lost, rounds=1))
    assert both.params.ravel().tolist() == [0.0, 4.0]
    assert kinds(both.rounds) == {"lost_weights": 16}
    one_way = Schedule((mixing([[0.5, 0.5], [0.0, 1.0]]),), lost={0: ((0, 1),)})
    half = run(job(Pairwise(**ONCE), quadratic([0.0, 4.0]), schedule=one_way, rounds=1))
    assert half.params.ravel().tolist() == [0.0, 4.0]
    assert kinds(half.rounds) == {"weights": 8, "lost_weights": 8}
    assert bytes_of(half.rounds, src="institution-1", kind="weights") == 8


@pytest.mark.parametrize("pairs", ["one", "matching"])
def test_storms_keep_the_mean_and_sleepers_their_models(pairs):
    storm = {"link_loss": {"use": "independent", "probability": 0.3, "symmetric": False}, "participation": 0.7}
    made = scheduled(complete(N), 40, **storm)
    work = job(Pairwise(pairs=pairs, lr=0.1), quadratic(START), schedule=made, rounds=40)
    with Inline() as runtime:
        runtime.start(work)
        for t in range(40):
            before = runtime.models()
            done = runtime.advance(t, t + 1)[0]
            awake = made.tick(t).awake(range(N))
            rows = [runtime.models()[i]["params"] for i in range(N)]
            assert all(rows[i].equal(before[i]["params"]) for i in set(range(N)) - set(awake))
            expected = sum(0.9 * before[i]["params"] + 0.1 * START[i] for i in awake)
            assert float(sum(rows[i] for i in awake)) == pytest.approx(float(expected), abs=1e-11)
            assert sum(line.messages for line in done.traffic) <= (2 if pairs == "one" else N)


def test_two_institutions_are_dpsgd():
    options = {"shards": blobs((37, 21)), "mixing": complete(2), "model": {"dropout": 0.3}}
    arguments = {"local_steps": 3, "personal": ("output",)}
    one, other = (run(small_job(name, arguments, **options)).models for name in ("swarm/pairwise", "swarm/dpsgd"))
    assert within(one, other)


@pytest.mark.parametrize(("pairs", "copies"), [("one", 2), ("matching", N)])
def test_pairs_send_two_models_each(pairs, copies):
    done = run(job(Pairwise(pairs=pairs, **FROZEN), quadratic(START), mixing=complete(N), rounds=3)).rounds
    assert [sum(line.messages for line in each.traffic) for each in done] == [copies] * 3
    assert kinds(done) == {"weights": 3 * copies * 8}


def test_a_loop_over_numbers_gives_the_same_pairs_of_means():
    work, x = regression("swarm/pairwise", mixing=complete(5)), zeros()
    for t in range(12):
        x = x - LR * slopes(x)
        for i, j in np.argwhere(np.triu(work.algorithm.meetings(Tick(t, complete(5)), work.seed).mixing.dense(), 1)):
            x[i] = x[j] = (x[i] + x[j]) / 2
    assert np.abs(run(work).params - x).max() < 1e-12


# ----------------------------------------------------------------------------------------- epidemic learning


def mixed(heard: np.ndarray) -> np.ndarray:
    w = heard + np.eye(heard.shape[-1])
    return w / w.sum(-1, keepdims=True)


@pytest.mark.parametrize("s", [1, 2, 3, 7])
def test_epidemics_contract_at_the_published_rates(s):
    oracle = contraction(mixed(epidemic("oracle", s)))
    assert oracle == pytest.approx((1 / (s + 1)) * (1 - s / (N - 1)), rel=0.03, abs=1e-12)
    local = contraction(mixed(epidemic("local", s)))
    assert local == pytest.approx((1 / s) * (1 - (1 - s / (N - 1)) ** N) - 1 / (N - 1), rel=0.03, abs=1e-12)


@pytest.mark.parametrize("s", [1, 3, 7])
def test_everybody_sends_to_s_others_and_under_an_oracle_hears_from_s(s):
    for choice in ("local", "oracle"):
        heard = epidemic(choice, s, draws=100)
        assert set(np.unique(heard)) <= {0, 1}
        assert not heard.diagonal(axis1=1, axis2=2).any()
        assert (heard.sum(1) == s).all()
        if choice == "oracle":
            assert (heard.sum(2) == s).all()
        elif s < N - 1:
            assert len(np.unique(heard.sum(2))) > 2


def test_pairs_are_all_equally_likely():
    for choice in ("local", "oracle"):
        often = epidemic(choice, 2).mean(0)
        assert np.abs(often[~np.eye(N, dtype=bool)] - 2 / 7).max() < 0.035


def test_only_who_is_awake_sends_and_hears():
    for choice in ("local", "oracle"):
        heard = epidemic(choice, 2, draws=50, active=(0, 2, 5, 6))
        assert (heard.sum(1)[:, [0, 2, 5, 6]] == 2).all()
        assert not heard[:, [1, 3, 4, 7]].any()
        assert not heard[:, :, [1, 3, 4, 7]].any()
        few = epidemic(choice, 2, draws=5, active=(3, 4))
        assert few.sum() == 10  # each hears the other
        assert not epidemic(choice, 2, draws=5, active=(3,)).any()


def test_sleepers_stay_as_they_were():
    made = Schedule(active=np.array([[True] * N, [True, False] * 4]))
    work = job(Epidemic(fanout=2, lr=0.1), quadratic(START), schedule=made, rounds=2)
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 1)
        before = runtime.models()
        runtime.advance(1, 2)
        moved = [not runtime.models()[i]["params"].equal(before[i]["params"]) for i in range(N)]
    assert moved == [True, False] * 4


@pytest.mark.parametrize("choice", ["local", "oracle"])
def test_hearing_from_everybody_is_dpsgd_on_the_complete_graph(choice):
    arguments = {"local_steps": 3, "personal": ("output",)}
    options = {"mixing": complete(3), "model": {"dropout": 0.3}}
    one = run(small_job("swarm/epidemic", {**arguments, "fanout": 2, "choice": choice}, **options)).models
    assert within(one, run(small_job("swarm/dpsgd", arguments, **options)).models)


@pytest.mark.parametrize("choice", ["local", "oracle"])
def test_an_epidemic_sends_s_models_an_institution(choice):
    done = run(job(Epidemic(fanout=3, choice=choice, **FROZEN), quadratic(START), rounds=2)).rounds
    assert kinds(done) == {"weights": 2 * N * 3 * 8}
    assert bytes_of(done, src="institution-5") == 2 * 3 * 8


def test_the_mean_is_kept_by_an_oracle_and_drifts_without():
    means = {
        choice: run(job(Epidemic(fanout=2, choice=choice, **ONCE), quadratic(START), rounds=30)).params.mean()
        for choice in ("local", "oracle")
    }
    assert means["oracle"] == pytest.approx(START.mean(), abs=1e-12)
    assert abs(means["local"] - START.mean()) > 1e-3


def test_a_loop_over_numbers_gives_the_same_epidemic():
    work, x = regression("swarm/epidemic", fanout=2), zeros()
    for t in range(12):
        half = x - LR * slopes(x)
        heard = work.algorithm.heard(Tick(t), len(SHARDS), work.seed)
        x = np.array([np.mean([half[i], *half[senders]], axis=0) for i, senders in enumerate(heard)])
    assert np.abs(run(work).params - x).max() < 1e-12


@pytest.mark.parametrize(("fanout", "n", "way_out"), [(3, 3, "write fanout: 1 to 2"), (1, 1, "use baseline/local")])
def test_more_others_than_there_are_is_refused(fanout, n, way_out):
    with pytest.raises(InputError, match=way_out):
        Epidemic(lr=0.1, fanout=fanout).check_names(["x"] * n)
