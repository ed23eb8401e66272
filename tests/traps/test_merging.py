"""Averages are of what they say (traps 28, 34): of oneself too, of everybody alike, and into nothing that is used."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.runtime.driver import Inline
from swarmsim.topology.directed_random import DirectedRandom
from swarmsim.topology.mixing import mixing as mixing_of
from swarmsim.topology.mixing import push_mixing
from swarmsim.trees import flatten, tree_map
from tests.comparing import digest
from tests.jobs import job, mixing, quadratic, run
from tests.methods import PATH, VARIANTS, method, names_on_disk, small_job
from tests.swarm.pairs import TOPOLOGIES, N, assembled, table, wrote

SWARM = [name for name in names_on_disk() if name.startswith("swarm/")] + ["baseline/fedavg"]
DRAWS = {"swarm/pairwise", "swarm/epidemic", "swarm/async_gossip"}  # an institution's number decides what it draws
ALIKE = {  # arguments with which institutions differ in nothing but their examples
    "swarm/leader_merge": {"leader": "fixed", "leader_name": "institution-0"},
    "swarm/choco": {"gamma": 0.5, "compressor": {"use": "identity"}},
    "swarm/d_cliques": {"cliques": ((0, 1, 2),)}, "swarm/late_merge": {"from_round": 2}, "swarm/d2": {"lazy": True},
}  # fmt: skip
TURN = [2, 0, 1]
ONCE = {
    "lr": 1.0,
    "lr_schedule": {"use": "step", "every": 1, "factor": 1e-15},
    "batch": None,
    "momentum": 0.0,
    "weight_decay": 0.0,
}


@pytest.mark.parametrize("use", TOPOLOGIES)
def test_everybody_counts_itself_in_every_round(use, tmp_path):
    """Trap 28, whatever the graph; MATCHA and EquiDyn may leave an institution alone, which has all of its weight."""
    table(tmp_path)
    name = "swarm/push_sum" if use == "directed_random" else "swarm/dpsgd"
    work, _ = assembled(wrote(tmp_path, name, {"use": use, **TOPOLOGIES[use]}, rounds=12))
    for t in range(12):
        w = work.schedule.tick(t).mixing.dense()
        assert (w.diagonal() > 0).all()
        assert (w >= 0).all()


@pytest.mark.parametrize(("name", "weigh"), [("swarm/dpsgd", mixing_of), ("swarm/push_sum", push_mixing)])
def test_a_directed_ring_averages_and_does_not_rotate(name, weigh):
    """Without self loops models would go round for ever: 0..7 would be 0..7 again every eight rounds."""
    graph = DirectedRandom(out_degree=1).graph(N, 0)
    w = weigh(graph, "uniform") if weigh is mixing_of else weigh(graph)
    found = run(job(method(name, **ONCE), quadratic(np.arange(8.0)), mixing=w, rounds=161)).params
    assert found[:, 0] == pytest.approx([3.5] * 8, abs=1e-4)


@pytest.mark.parametrize("name", SWARM)
@pytest.mark.parametrize("packed", [False, True], ids=["inline", "packed"])
def test_a_round_writes_into_nothing_that_it_was_given(name, packed):
    """Trap 34: the states of earlier rounds are as they were; so a dead host's rounds can be computed again."""
    if packed and not names_on_disk()[name].packs:
        pytest.skip("institutions of this method act one after another")
    work = small_job(name, VARIANTS[name][0], 4, packed=packed)
    with Inline() as runtime:
        runtime.start(work)
        states = [runtime.save()]
        kept = [digest(states[0])]
        for t in range(4):
            runtime.advance(t, t + 1)
            states.append(runtime.save())
            kept.append(digest(states[-1]))
            assert [digest(state) for state in states] == kept, t
        again = Inline()
        again.start(work)
        again.load(tree_map(lambda tensor: tensor.clone(), states[2]))
        again.advance(2, 4)
        assert digest(again.save()) == kept[4]
    assert flatten(states[0])[1]


@pytest.mark.parametrize("name", [name for name in SWARM if name not in DRAWS])
def test_another_order_of_the_institutions_gives_the_same_models(name):
    """Sums have another order, so equal to rounding."""
    plain = {"lr": 0.2, "batch": None, "momentum": 0.0, "weight_decay": 0.0, **ALIKE.get(name, {})}
    targets, w = np.array([1.0, -4.0, 10.0]), np.array(PATH)
    turned = plain | ({"leader_name": f"institution-{TURN.index(0)}"} if "leader_name" in plain else {})
    one = run(job(method(name, **plain), quadratic(targets), mixing=mixing(w), rounds=7)).params
    other = job(method(name, **turned), quadratic(targets[TURN]), mixing=mixing(w[np.ix_(TURN, TURN)]), rounds=7)
    assert run(other).params == pytest.approx(one[TURN], abs=1e-12)
    assert np.abs(one).max() > 0.1
