"""Every swarm method on every topology: it runs, or it is refused by its name and with the reason."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.types import InputError
from tests.jobs import run
from tests.swarm.pairs import METHODS, MIXING, TOPOLOGIES, N, assembled, table, wrote

DRAWN = {"equi_dyn", "matcha", "random_matching"}
CHANGING = {*DRAWN, "base_k", "one_peer_exponential", "one_peer_hypercube"}
DIRECTED = {"directed_random", "equi_dyn", "equi_static", "exponential", "one_peer_exponential"}
LOW = {"hypercube", "random_regular", "ring", "torus"}  # smallest eigenvalues -1/2, -0.35, -1/3 and -1/2
TREES = {"path", "star", "tree", "random_tree", "file"}
BIASED = {"directed_random"}

REFUSED = {  # on which topologies a method is refused; on all others it runs
    "swarm/async_dpsgd": BIASED, "swarm/async_gossip": DIRECTED, "swarm/choco": BIASED | CHANGING,
    "swarm/d2": DIRECTED | CHANGING | LOW, "swarm/d_cliques": BIASED, "swarm/dpsgd": BIASED,
    "swarm/exact_diffusion": DIRECTED, "swarm/extra": DIRECTED, "swarm/gradient_tracking": BIASED,
    "swarm/late_merge": BIASED, "swarm/pairwise": DIRECTED, "swarm/push_sum": DRAWN, "swarm/quasi_global": BIASED,
    "swarm/relay_sum": set(TOPOLOGIES) - TREES, "swarm/epidemic": set(), "swarm/leader_merge": set(),
}  # fmt: skip
REASONS = {
    "needs a doubly stochastic W", "needs a symmetric W", "diverges on this W", "needs a tree",
    "needs the same graph in every round", "needs a topology that is the same in every round, or has a period",
}  # fmt: skip
UNEQUAL = {  # weights that a method is refused with on a star
    (name, weights): "needs a symmetric W"
    for name in ("swarm/pairwise", "swarm/async_gossip", "swarm/d2", "swarm/exact_diffusion", "swarm/extra")
    for weights in ("uniform", "sample")
} | {("swarm/d2", "laplacian"): "diverges on this W, whose smallest eigenvalue is -0.777778"}  # -7/9 at n = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The patients' table, and the institutions that are made of it once."""
    path = tmp_path_factory.mktemp("pairs")
    table(path)
    return path


@pytest.fixture(scope="module")
def federation(folder):
    from swarmsim.assemble import federation_of
    from swarmsim.experiment import read

    return federation_of(read(wrote(folder, "swarm/dpsgd", {"use": "ring"})).methods[0])


def test_every_method_on_disk_has_its_line():
    assert set(REFUSED) == set(METHODS)
    assert len(TOPOLOGIES) >= 24


@pytest.mark.parametrize("name", METHODS)
def test_a_method_runs_on_every_topology_or_says_why_not(name, folder, federation):
    refused, label = {}, name.replace("/", "-")
    for use, given in TOPOLOGIES.items() if name in MIXING else [("ring", {})]:
        try:
            job, _ = assembled(wrote(folder, name, {"use": use, **given}), federation)
        except InputError as error:
            refused[use] = str(error)
            continue
        done = run(job)
        assert done.params.shape == (N, 8), use
        assert np.isfinite(done.params).all(), use
        assert np.abs(done.params).max() > 0, use
    assert set(refused) == REFUSED[name]
    for use, message in refused.items():
        assert message.startswith(f"{label}: "), use
        assert any(message.startswith(f"{label}: {reason}") for reason in REASONS), message


@pytest.mark.parametrize("name", MIXING)
@pytest.mark.parametrize("weights", ["uniform", "sample", "laplacian", "max_degree"])
def test_every_rule_of_weights_suits_a_method_or_is_refused(name, weights, folder, federation):
    """On a star, whose degrees differ, uniform and sample are biased; who asks for them by name gets them."""
    path = wrote(folder, name, {"use": "star", "weights": weights})
    if reason := UNEQUAL.get((name, weights)):
        with pytest.raises(InputError, match=f"{name.replace('/', '-')}: {reason}"):
            assembled(path, federation)
        return
    job, _ = assembled(path, federation)
    w = job.schedule.tick(0).mixing.dense()
    push = name == "swarm/push_sum"
    assert np.abs(w.sum(0 if push else 1) - 1).max() < 1e-12
    assert (np.abs(w - w.T).max() < 1e-12) == (weights in ("laplacian", "max_degree") and not push)
    assert np.isfinite(run(job).params).all()


@pytest.mark.parametrize("name", MIXING)
def test_without_a_topology_it_is_said_that_one_is_needed(name, folder, federation):
    with pytest.raises(InputError, match=rf"{name.replace('/', '-')}: needs a topology, for example topology: \{{use"):
        assembled(wrote(folder, name), federation)
