"""Whatever fails, W keeps what it promises: properties over random graphs, churn and losses."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.schedule.build import schedule
from swarmsim.types import InputError, Schedule
from tests.schedule.graphs import faults, from_dense, metropolis, names, push, run, stacked

ROUNDS = 6
LOSSES = st.one_of(
    st.fixed_dictionaries({"use": st.just("independent"), "probability": st.floats(0, 1), "symmetric": st.booleans()}),
    st.fixed_dictionaries(
        {
            "use": st.just("gilbert_elliott"), "to_bad": st.floats(0.01, 1), "to_good": st.floats(0.01, 1),
            "lost_good": st.floats(0, 1), "lost_bad": st.floats(0, 1), "symmetric": st.booleans(),
        }
    ),
)  # fmt: skip
CHURN = st.fixed_dictionaries({"use": st.just("markov"), "mean_up": st.floats(1, 5), "mean_down": st.floats(1, 5)})
FAULTS = st.fixed_dictionaries(
    {}, optional={"link_loss": LOSSES, "churn": CHURN, "participation": st.floats(0.1, 1),
                  "partitions": st.just([{"groups": [["h0"]], "from": 2, "until": 4}])},
)  # fmt: skip


def graph_of(n, p, seed, directed=False):
    return networkx.gnp_random_graph(n, p, seed=seed, directed=directed)


@settings(max_examples=150, deadline=None)
@given(n=st.integers(2, 12), p=st.floats(0, 1), seed=st.integers(0, 99), written=FAULTS)
def test_weight_that_returns_to_the_receiver(n, p, seed, written):
    base = metropolis(graph_of(n, p, seed))
    made, full = run(base, ROUNDS, seed, **written), base.dense()
    for t, w in enumerate(stacked(made, ROUNDS)):
        assert abs(w.sum(1) - 1).max() <= 1e-15 * n
        assert ((w == full) | (w == 0) | np.eye(n, dtype=bool)).all()
        if written.get("link_loss", {}).get("symmetric", True):
            assert (w == w.T).all()
            assert abs(w.sum(0) - 1).max() <= 1e-15 * n
        check_round(made, t, w, full, "partitions" in written)


@settings(max_examples=150, deadline=None)
@given(n=st.integers(2, 12), p=st.floats(0, 1), seed=st.integers(0, 99), written=FAULTS)
def test_mass_that_the_sender_keeps(n, p, seed, written):
    base = push(graph_of(n, p, seed, directed=True))
    made, full = run(base, ROUNDS, seed, lost_weight="sender", **written), base.dense()
    for t, w in enumerate(stacked(made, ROUNDS)):
        assert abs(w.sum(0) - 1).max() <= 1e-15 * n
        assert ((w == full) | (w == 0) | np.eye(n, dtype=bool)).all()
        check_round(made, t, w, full, "partitions" in written)


def check_round(made, t, w, full, parted):
    """Sleepers are the identity; what is missing was cut off or lost, and what was lost is missing."""
    n, lost = len(w), set(made.lost.get(t, ()))
    awake = np.ones(n, dtype=bool) if made.active is None else made.active[t]
    for i in np.flatnonzero(~awake):
        assert (w[i] == np.eye(n)[i]).all()
        assert (w[:, i] == np.eye(n)[i]).all()
    missing = {(j, i) for i, j in np.argwhere((w == 0) & (full > 0)).tolist()}
    apart = {(j, i) for j, i in missing if parted and t in (1, 2) and 0 in (i, j)}
    assert missing == lost | apart | {(j, i) for j, i in missing if not (awake[i] and awake[j])}
    if parted and t in (1, 2):
        assert not w[0, 1:].any() and not w[1:, 0].any()
    for j, i in lost:
        assert w[i, j] == 0 < full[i, j]
        assert (j, i) not in apart
        assert awake[i] and awake[j] and i != j


def test_without_faults_nothing_is_copied():
    base = metropolis(networkx.cycle_graph(5))
    assert run(base, 4).mixings[0] is base
    quiet, said = schedule(Schedule((base,)), None, names(5), 4, 0)
    assert quiet.mixings == (base,)
    assert said == ()
    once = run(base, 1000, down=[{"institution": "h0", "from": 10, "until": 500}])
    assert len(once.mixings) == 2
    assert once.mixings[once.which[0]] is base


def test_a_lost_message_by_hand():
    """A path h0 - h1 - h2 has Metropolis weights 1/3; h2 is away in round 2, so h1 keeps what it would have heard."""
    base = metropolis(networkx.path_graph(3))
    w = stacked(run(base, 3, down=[{"institution": "h2", "from": 2, "until": 3}]), 3)
    assert w[0] == pytest.approx(np.array([[2, 1, 0], [1, 1, 1], [0, 1, 2]]) / 3)
    assert w[1] == pytest.approx(np.array([[2, 1, 0], [1, 2, 0], [0, 0, 3]]) / 3)
    assert (w[2] == w[0]).all()


def test_a_parted_network_heals():
    base = metropolis(networkx.complete_graph(4))
    made = run(base, 5, partitions=[{"groups": [["h0", "h3"], ["h1", "h2"]], "from": 2, "until": 4}])
    across = stacked(made, 5)[:, [0, 0, 3, 3], [1, 2, 1, 2]]
    assert (across > 0).all(1).tolist() == [True, False, False, True, True]
    assert (across[1:3] == 0).all()
    assert not made.lost
    x = np.array([0.0, 4.0, 4.0, 0.0])
    after = np.linalg.multi_dot(stacked(made, 3)[1:][::-1]) @ x
    assert after == pytest.approx(x)  # each side is of one mind already, and learns nothing from the other


def test_those_in_no_group_are_a_group():
    base = metropolis(networkx.complete_graph(4))
    w = stacked(run(base, 1, partitions=[{"groups": [["h1"]]}]), 1)[0]
    assert (w[1] == np.eye(4)[1]).all()
    assert (w[0, [2, 3]] > 0).all()


def one_peer(n):
    """The one-peer exponential graph: round t averages i with i - 2^(t mod log2 n)."""
    offsets = [2**k for k in range(n.bit_length() - 1)]
    return tuple(from_dense((np.eye(n) + np.roll(np.eye(n), offset, axis=0)) / 2) for offset in offsets)


def test_a_period_goes_on_with_the_rounds():
    """Whoever slept through some rounds is in phase again: the product of any whole period without faults is J."""
    period = one_peer(8)
    made = run(period, 10, down=[{"institution": "h1", "from": 2, "until": 3}, {"institution": "h5", "until": 5}])
    w = stacked(made, 10)
    assert np.linalg.multi_dot(w[4:7][::-1]) == pytest.approx(np.full((8, 8), 1 / 8))
    assert np.linalg.multi_dot(w[5:8][::-1]) == pytest.approx(np.full((8, 8), 1 / 8))
    assert not np.allclose(np.linalg.multi_dot(w[:3][::-1]), 1 / 8)


def test_one_that_hears_nobody_ends_nobodys_turn():
    """A star whose leaf 1 is cut off: the others mix as before."""
    base = metropolis(networkx.star_graph(3))
    made = run(base, 1, partitions=[{"groups": [["h1"]]}])
    w = stacked(made, 1)[0]
    assert w[1, 1] == 1
    assert (w[0, [2, 3]] == base.dense()[0, [2, 3]]).all()


def ring_means(returned, seeds=60, rounds=40):
    """The mean of x on ring 8, x_i = i, after some rounds with one message in ten lost, for each seed."""
    base, means = metropolis(networkx.cycle_graph(8)), []
    for seed in range(seeds):
        loss = {"use": "independent", "probability": 0.1, "symmetric": False}
        made, x = run(base, rounds, seed, link_loss=loss), np.arange(8.0)
        for t in range(rounds):
            w = made.tick(t).mixing.dense()
            x = (w if returned else np.where(np.eye(8, dtype=bool), base.dense(), w)) @ x
        means.append(x.mean())
    return np.array(means)


def test_returned_weight_keeps_the_mean_in_expectation():
    means = ring_means(returned=True)
    assert abs(means.mean() - 3.5) <= 3 * means.std(ddof=1) / len(means) ** 0.5
    assert means.std() > 0.01


def test_weight_dropped_silently_lets_the_mean_decay():
    """Of a row 2/3 are messages, of which a tenth is lost: the mean shrinks by 14/15 a round."""
    means = ring_means(returned=False)
    assert means.mean() == pytest.approx(3.5 * (14 / 15) ** 40, rel=0.05)


def test_symmetric_losses_keep_the_mean_exactly():
    made = run(metropolis(networkx.cycle_graph(8)), 40, link_loss={"use": "independent", "probability": 0.3})
    x = np.arange(8.0)
    for w in stacked(made, 40):
        x = w @ x
        assert x.mean() == pytest.approx(3.5, abs=1e-13)
    assert np.ptp(x) < 0.1


def test_push_sum_finds_the_mean_in_spite_of_losses():
    base = push(networkx.DiGraph([(0, 1), (1, 2), (2, 3), (3, 0), (0, 2)]))
    loss = {"use": "gilbert_elliott", "to_bad": 0.2, "to_good": 0.5, "symmetric": False}
    made = run(base, 300, link_loss=loss, lost_weight="sender")
    z, w = np.array([0.0, 1.0, 5.0, 8.0]), np.ones(4)
    for step in stacked(made, 300):
        z, w = step @ z, step @ w
        assert w.sum() == pytest.approx(4)
    assert z / w == pytest.approx(3.5, abs=1e-9)


@pytest.mark.parametrize(("home", "other"), [("self", "sender"), ("sender", "self")])
def test_weights_that_cannot_be_kept_are_refused(home, other):
    base = push(networkx.DiGraph([(0, 1), (1, 2), (2, 0), (0, 2)]))
    base = base if home == "self" else from_dense(base.dense().T)
    with pytest.raises(InputError, match=f"lost_weight: {home} keeps the sums .*; write lost_weight: {other}"):
        run(base, 2, participation=0.5, lost_weight=home)


def test_links_need_a_topology():
    for written in (
        {"link_loss": {"use": "independent", "probability": 0.1}},
        {"delay": {"use": "uniform", "most": 2}},
    ):
        with pytest.raises(InputError, match="belong to the links of a topology"):
            schedule(Schedule(), faults(**written), names(3), 5, 0)
    made, _ = schedule(Schedule(), faults(participation=0.5), names(4), 5, 0)
    assert made.active.sum(1).tolist() == [2] * 5
    assert made.tick(0).mixing is None


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr("swarmsim.schedule.build.MOST", 1000)
    base = metropolis(networkx.cycle_graph(10))
    loss = {"use": "independent", "probability": 0.5}
    assert len(run(base, 30, link_loss=loss).mixings) == 30
    with pytest.raises(InputError, match=r"until round \d+ they make more than 1,000"):
        run(base, 100, link_loss=loss)
    with pytest.raises(InputError, match="write fewer rounds"):
        run(base, 100, delay={"use": "uniform", "most": 3})
