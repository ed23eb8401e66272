"""Bytes of a round as exact integers: swarm and federated methods by P parameters, split learning by D examples."""

from __future__ import annotations

import math

import pytest

from swarmsim.models.mlp import Mlp
from swarmsim.topology.build import build
from swarmsim.topology.complete import Complete
from swarmsim.topology.exponential import Exponential
from swarmsim.topology.ring import Ring
from tests.comparing import bytes_of, kinds
from tests.jobs import blobs, job, run
from tests.methods import method

SIZES = (37, 21, 48)
D, K, FLOAT, LABEL = sum(SIZES), len(SIZES), 8, 8
P = 6 * 8 + 8 + 8 * 5 + 5 + 5 * 3 + 3  # Mlp(hidden=(8, 5)) on 6 features, 3 classes
BOTTOM, HEAD, CUT, INNER = 6 * 8 + 8, 5 * 3 + 3, 8, 5  # at cut 1, and at cuts [1, 2]
PLAIN = {"momentum": 0.0, "weight_decay": 0.0}


def after_one_round(name: str, n: int = K, mixing=None, model=None, rounds: int = 1, **arguments) -> list:
    shards = blobs(SIZES if n == K else (16,) * n)
    return run(job(method(name, **{**PLAIN, **arguments}), shards, model=model, mixing=mixing, rounds=rounds)).rounds


COPIES = {
    "ring": (Ring(), lambda n: 2 * n),
    "complete": (Complete(), lambda n: n * (n - 1)),
    "exponential": (Exponential(), lambda n: n * math.ceil(math.log2(n))),
}


@pytest.mark.parametrize("n", [4, 7, 8])
@pytest.mark.parametrize(("topology", "copies"), COPIES.values(), ids=COPIES)
def test_dpsgd_moves_a_model_over_every_edge(topology, copies, n):
    rounds = after_one_round("swarm/dpsgd", n, build(topology, n, 0)[1])
    assert kinds(rounds) == {"weights": copies(n) * P * FLOAT}
    assert sum(line.messages for line in rounds[0].traffic) == copies(n)


@pytest.mark.parametrize("n", [2, 3, 8])
def test_leader_merge_moves_each_model_to_the_leader_and_back(n):
    rounds = after_one_round("swarm/leader_merge", n, rounds=2)
    for each in rounds:
        assert kinds([each]) == {"weights": 2 * (n - 1) * P * FLOAT}
    assert {line.dst for line in rounds[1].traffic} >= {"institution-1"}
    assert bytes_of(rounds[1:], src="institution-1") == (n - 1) * P * FLOAT


def test_fedavg_moves_two_models_an_institution():
    rounds = after_one_round("baseline/fedavg", rounds=2)
    assert [kinds([each]) for each in rounds] == [{"weights": 2 * K * P * FLOAT}] * 2
    assert bytes_of(rounds[:1], src="server") == bytes_of(rounds[:1], dst="server") == K * P * FLOAT


def test_cyclic_moves_one_model_an_institution():
    assert kinds(after_one_round("baseline/cyclic")) == {"weights": K * P * FLOAT}


@pytest.mark.parametrize("name", ["baseline/local", "baseline/pooled"])
def test_methods_without_communication_send_nothing(name):
    assert not kinds(after_one_round(name))


def test_batch_norm_statistics_are_counted_apart():
    """Trap 17: what is averaged is sent: two statistics and one counter for each of 8 + 5 features."""
    model = Mlp(hidden=(8, 5), batch_norm=True)
    rows, statistics = P + 2 * (8 + 5), 2 * (8 + 5) * FLOAT + 2 * 8
    sent = kinds(after_one_round("baseline/fedavg", model=model))
    assert sent == {"weights": 2 * K * rows * FLOAT, "buffers": 2 * K * statistics}
    assert kinds(after_one_round("baseline/fedavg", model=model, batch_norm="local")) == {
        "weights": 2 * K * rows * FLOAT
    }


def test_vanilla_split_moves_smashed_data_and_cut_gradients_and_a_bottom_a_turn():
    for epochs in (1, 2):
        sent = kinds(after_one_round("split/vanilla", cut=1, local_epochs=epochs))
        assert sent["smashed_data"] == sent["cut_gradient"] == epochs * D * CUT * FLOAT
        assert sent["labels"] == epochs * D * LABEL
        assert sent["weights"] == K * BOTTOM * FLOAT
        assert set(sent) == {"smashed_data", "cut_gradient", "labels", "weights"}


def test_vanilla_hands_over_from_institution_to_institution():
    rounds = after_one_round("split/vanilla", cut=1)
    moves = sorted((line.src, line.dst) for line in rounds[0].traffic if line.kind == "weights")
    names = [f"institution-{i}" for i in range(K)]
    assert moves == [(names[0], names[1]), (names[1], names[2]), (names[2], names[0])]


@pytest.mark.parametrize(("optimizer", "extra", "numbers"), [("sgd", {"momentum": 0.9}, 1), ("adamw", {}, 2)])
def test_a_hand_over_counts_the_optimiser_state_and_the_statistics(optimizer, extra, numbers):
    """Trap 17: momentum is one number a parameter, Adam's moments are two and a float32 step counter."""
    model, wide = Mlp(hidden=(8, 5), batch_norm=True), BOTTOM + 16
    sent = kinds(after_one_round("split/vanilla", cut=1, model=model, optimizer=optimizer, **extra))
    counter = 4 if optimizer == "adamw" else 0
    assert sent["optimizer_state"] == K * (numbers * wide * FLOAT + counter)
    assert (sent["weights"], sent["buffers"]) == (K * wide * FLOAT, K * (16 * FLOAT + 8))
    kept = kinds(
        after_one_round("split/vanilla", cut=1, model=model, optimizer=optimizer, optimizer_state="keep", **extra)
    )
    assert kept == {kind: size for kind, size in sent.items() if kind != "optimizer_state"}


@pytest.mark.parametrize("name", ["split/splitfed_v1", "split/splitfed_v2"])
def test_splitfed_moves_every_bottom_to_the_server_and_back(name):
    sent = kinds(after_one_round(name, cut=1))
    assert sent["smashed_data"] + sent["cut_gradient"] == 2 * D * CUT * FLOAT
    assert sent["weights"] == 2 * K * BOTTOM * FLOAT
    assert sent["labels"] == D * LABEL


def test_u_shaped_moves_four_tensors_an_example_and_no_label():
    """Trap 18: no label in a message of the U-shaped configuration."""
    sent = kinds(after_one_round("split/u_shaped", cut=(1, 2)))
    assert sent["smashed_data"] == sent["cut_gradient"] == D * (CUT + INNER) * FLOAT
    assert sent["weights"] == K * (BOTTOM + HEAD) * FLOAT
    assert "labels" not in sent


def test_messages_of_evaluation_are_apart_from_those_of_training():
    """Smashed data of every example that is tried crosses to the server, its logits come back; nothing else."""
    from swarmsim.runtime.driver import Inline

    work = job(method("split/vanilla", **PLAIN, cut=1), blobs(SIZES), rounds=1)
    with Inline() as runtime:
        runtime.start(work)
        trained = runtime.advance(0, 1)
        tried = runtime.predict(1, (), False).traffic
    examples = K * (8 + 12)  # validation and test of each
    assert not any(line.kind.startswith("eval_") for line in trained[0].traffic)
    found = {kind: sum(line.bytes for line in tried if line.kind == kind) for kind in {line.kind for line in tried}}
    assert found == {"eval_smashed_data": examples * CUT * FLOAT, "eval_control": examples * 3 * FLOAT}


@pytest.mark.parametrize("name", ["swarm/dpsgd", "baseline/fedavg"])
def test_looking_at_a_run_is_not_communication(name):
    from swarmsim.runtime.driver import Inline

    work = job(method(name), blobs(SIZES), mixing=build(Ring(), K, 0)[1], rounds=1)
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 1)
        assert runtime.predict(1, (0, 1, 2), True).traffic == []
        runtime.models()
        assert runtime.predict(1, (), False).traffic == []
