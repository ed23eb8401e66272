"""What is drawn has the distribution that it should have, and an address that nothing else moves."""

from __future__ import annotations

import networkx
import numpy as np
import pytest

from swarmsim.schedule.awake import causes
from swarmsim.schedule.draws import split_mix, uniforms
from swarmsim.schedule.faults import Delay
from swarmsim.schedule.links import ages
from tests.schedule.graphs import faults, metropolis, names, run, stacked

MARKOV = {"use": "markov", "mean_up": 8.0, "mean_down": 2.0}


def standard_errors(values):
    """How many standard errors the mean of independent values is away from 0."""
    return abs(np.mean(values)) / (np.std(values, ddof=1) / np.sqrt(len(values)))


def run_lengths(column, value):
    """Lengths of the runs of a value, without the first and the last run, which are cut off."""
    edges = np.flatnonzero(np.diff(column)) + 1
    return [len(part) for part in np.split(column, edges)[1:-1] if part[0] == value]


def test_split_mix_has_its_published_outputs():
    """The first five outputs for the seed 1234567, as other implementations test themselves."""
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert split_mix(1234567, np.arange(5)).tolist() == expected
    assert split_mix(1234567, np.array([4, 0])).tolist() == [expected[4], expected[0]]


def test_uniforms_are_uniform():
    u = uniforms(np.arange(100_000), 0, "test", 3)
    assert 0 <= u.min() < u.max() < 1
    counts = np.histogram(u, 100, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 148.2  # the 99.9 % quantile of chi-squared with 99 degrees of freedom
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 3 / len(u) ** 0.5
    assert not np.isclose(u[:1000], uniforms(np.arange(1000), 0, "test", 4)).any()


def test_markov_churn_is_stationary_with_geometric_runs():
    """Share awake 8 / (8 + 2); mean runs 8 and 2 rounds."""
    up = causes(faults(churn=MARKOV), names(400), 1000, 1)["churn"]
    assert standard_errors(up.mean(0) - 0.8) <= 3  # one value for each institution: they are independent
    assert abs(up[0].mean() - 0.8) <= 3 * (0.8 * 0.2 / 400) ** 0.5
    ups = [length for column in up.T for length in run_lengths(column, True)]
    downs = [length for column in up.T for length in run_lengths(column, False)]
    assert standard_errors(np.array(ups) - 8) <= 3
    assert standard_errors(np.array(downs) - 2) <= 3


def test_markov_churn_starts_as_it_is_told():
    up = causes(faults(churn={**MARKOV, "start_up": 0.0}), names(400), 200, 1)["churn"]
    assert not up[0].any()
    assert abs(up[-1].mean() - 0.8) <= 3 * (0.8 * 0.2 / 400) ** 0.5


def test_independent_losses():
    made = run(metropolis(networkx.complete_graph(20)), 200, link_loss={"use": "independent", "probability": 0.1})
    counts = np.array([len(made.lost.get(t, ())) for t in range(200)])
    assert (counts % 2 == 0).all()
    assert standard_errors(counts / 380 - 0.1) <= 3


def test_gilbert_elliott_losses_come_in_bursts():
    """A share to_bad / (to_bad + to_good) = 0.05 / 0.25 of rounds is bad; bad runs last 1 / to_good = 5 rounds."""
    loss = {"use": "gilbert_elliott", "to_bad": 0.05, "to_good": 0.2, "symmetric": False}
    full = metropolis(networkx.complete_graph(12))
    lost = stacked(run(full, 600, 2, link_loss=loss), 600)[:, ~np.eye(12, dtype=bool)] == 0
    assert standard_errors(lost.mean(0) - 0.2) <= 3
    assert standard_errors(np.array([n for column in lost.T for n in run_lengths(column, True)]) - 5) <= 3
    partly = {**loss, "lost_good": 0.1, "lost_bad": 0.6}
    lost = stacked(run(full, 600, 2, link_loss=partly), 600)[:, ~np.eye(12, dtype=bool)] == 0
    assert standard_errors(lost.mean(0) - (0.8 * 0.1 + 0.2 * 0.6)) <= 3


def test_a_link_has_its_state_while_another_graph_is_in_use():
    """The losses of an edge are those of the complete graph, whatever edges there are in a round."""
    loss = {"use": "gilbert_elliott", "to_bad": 0.3, "to_good": 0.3}
    every = stacked(run(metropolis(networkx.complete_graph(6)), 40, link_loss=loss), 40) == 0
    turns = tuple(metropolis(draw(6)) for draw in (networkx.cycle_graph, networkx.path_graph, networkx.wheel_graph))
    for t, w in enumerate(stacked(run(turns, 40, link_loss=loss), 40)):
        edges = turns[t % 3].dense() > 0
        assert ((w == 0) == every[t])[edges].all()
    assert 0.3 < every[:, 0, 1].mean() < 0.7


def test_links_are_in_their_stationary_state_from_the_first_round():
    loss = {"use": "gilbert_elliott", "to_bad": 0.01, "to_good": 0.04, "symmetric": False}
    made = run(metropolis(networkx.complete_graph(40)), 1, link_loss=loss)
    assert abs(len(made.lost[0]) / 1560 - 0.2) <= 3 * (0.2 * 0.8 / 1560) ** 0.5


def test_participation_draws_a_share_of_those_that_are_there():
    down = [{"institution": name, "from": 3, "until": 5} for name in names(6)]
    made = run(metropolis(networkx.cycle_graph(10)), 400, participation=0.5, down=down)
    there = made.active.sum(1)
    assert set(there[[0, 1, *range(4, 400)]]) == {5}
    assert there[2:4].tolist() == [2, 2]
    assert standard_errors(made.active[4:, 0] - 0.5) <= 3
    assert run(metropolis(networkx.cycle_graph(10)), 5, participation=0.01).active.sum(1).tolist() == [1] * 5


@pytest.mark.parametrize(
    "written",
    [
        {"churn": MARKOV}, {"link_loss": {"use": "independent", "probability": 0.3}},
        {"link_loss": {"use": "gilbert_elliott", "to_bad": 0.3, "to_good": 0.3}}, {"participation": 0.5},
        {"delay": {"use": "uniform", "most": 4}},
    ],
)  # fmt: skip
def test_more_rounds_change_nothing(written):
    base = metropolis(networkx.cycle_graph(8))
    short, long = run(base, 20, 5, **written), run(base, 50, 5, **written)
    assert (stacked(short, 20) == stacked(long, 20)).all()
    assert all(short.lost.get(t) == long.lost.get(t) for t in range(20))
    for t in range(20):
        assert short.tick(t).active == long.tick(t).active
        assert np.array_equal(short.tick(t).ages, long.tick(t).ages)
    other, again = run(base, 50, 6, **written), run(base, 50, 5, **written)
    assert (stacked(again, 50) == stacked(long, 50)).all()
    if "delay" in written:
        assert any((other.ages[t] != long.ages[t]).any() for t in range(1, 50))
    else:
        assert (stacked(other, 50) != stacked(long, 50)).any()


def test_more_institutions_change_nothing_for_the_others():
    few, many = (causes(faults(churn=MARKOV), names(n), 30, 0)["churn"] for n in (5, 9))
    assert (few == many[:, :5]).all()
    loss = {"use": "independent", "probability": 0.4}
    few, many = (stacked(run(metropolis(networkx.complete_graph(n)), 30, link_loss=loss), 30) for n in (5, 9))
    assert ((few == 0) == (many[:, :5, :5] == 0)).all()


def test_one_fault_does_not_move_another():
    base, loss = metropolis(networkx.cycle_graph(8)), {"use": "independent", "probability": 0.3}
    alone, both = run(base, 30, link_loss=loss), run(base, 30, link_loss=loss, churn=MARKOV)
    for t in range(30):
        awake = set(both.tick(t).awake(range(8)))
        assert both.lost.get(t, ()) == tuple(pair for pair in alone.lost.get(t, ()) if awake >= set(pair))


def drawn_ages(**written):
    """Ages of many links in a late round, of own values last."""
    src, dst = np.divmod(np.arange(10_000), 100)
    late = ages(Delay(**written), src, dst, 1000, 0)
    assert not late[src == dst].any()
    return late[src != dst]


def test_ages_are_uniform_or_geometric_and_bounded():
    uniform = drawn_ages(use="uniform", most=4)
    assert set(uniform) == {0, 1, 2, 3, 4}
    assert standard_errors(uniform - 2) <= 3
    geometric = drawn_ages(use="geometric", most=64, mean=3.0)
    assert standard_errors(geometric - 3) <= 3
    assert standard_errors((geometric == 0) - 0.25) <= 3
    assert drawn_ages(use="geometric", most=2, mean=3.0).max() == 2


def test_nothing_is_older_than_the_run():
    made = run(metropolis(networkx.cycle_graph(8)), 10, delay={"use": "uniform", "most": 5})
    assert made.tick(0).ages is None
    for t in range(1, 10):
        assert made.tick(t).ages.shape == made.tick(t).mixing.weights.shape
        assert made.tick(t).ages.max() <= min(t, 5)
    assert max(made.tick(t).ages.max() for t in range(5, 10)) == 5
