"""What crosses between two hosts (traps 4, 42) and what an average does to its inputs (traps 34, 35)."""

from __future__ import annotations

import secrets
import threading

import pytest
import torch

from swarmsim.network.located import Located
from swarmsim.network.net import weighted_sum
from swarmsim.runtime.sockets import PeerLost, Sockets
from swarmsim.trees import flatten
from tests.comparing import digest
from tests.jobs import run
from tests.methods import small_job


@pytest.fixture
def pair():
    """Two hosts' sockets, connected."""
    key = secrets.token_bytes(32)
    ends = [Sockets(me, "127.0.0.1", key) for me in (0, 1)]
    addresses = [end.address for end in ends]
    called = threading.Thread(target=ends[0].connect, args=(addresses,))
    called.start()
    ends[1].connect(addresses)
    called.join(10)
    yield ends
    for end in ends:
        end.close()


def storage_bytes(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().nbytes()


def test_a_view_crosses_without_the_rest_of_its_storage(pair):
    """Trap 4: `grad.split(...)[k]` is a view of every other institution's gradient."""
    whole = torch.randn(1000, 3, dtype=torch.float64)
    piece = whole.split([1, 7, 992])[1]
    assert storage_bytes(piece) == whole.numel() * 8
    pair[0].send(1, [piece])
    (received,) = pair[1].receive(0)
    assert torch.equal(received, piece)
    assert storage_bytes(received) == received.numel() * received.element_size() == 7 * 3 * 8


@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float64, torch.int64, torch.bool, torch.bfloat16, torch.float16]
)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 3), (4, 5)])
def test_tensors_of_every_kind_arrive_as_they_were(pair, dtype, shape):
    sent = (torch.randn(shape) * 3).to(dtype)
    pair[1].send(0, {"it": sent})
    received = pair[0].receive(1)["it"]
    assert (received.dtype, received.shape) == (sent.dtype, sent.shape)
    assert torch.equal(received, sent)


def test_what_arrives_is_detached_contiguous_and_writable(pair):
    """Trap 42: a non-leaf that requires grad, transposed."""
    weight = torch.randn(3, 4, requires_grad=True)
    pair[0].send(1, ((weight * 2).t(), [1, "two", None, 3.5]))
    received, plain = pair[1].receive(0)
    assert isinstance(plain, list)
    assert plain == [1, "two", None, 3.5]
    assert torch.equal(received, (weight * 2).t().detach())
    assert (received.requires_grad, received.is_leaf, received.is_contiguous()) == (False, True, True)
    received += 1  # a read-only buffer would refuse


def test_messages_arrive_in_order_and_both_ways_at_once(pair):
    def talk(me: int) -> list:
        for k in range(50):
            pair[me].send(1 - me, torch.full((20_000,), float(k)))
        return [pair[me].receive(1 - me)[0].item() for _ in range(50)]

    from tests.threads import together

    assert together([lambda: talk(0), lambda: talk(1)]) == [list(map(float, range(50)))] * 2


def in_time(program) -> list:
    """What a function raised, or that it still waits after 5 seconds."""
    raised = ["still waiting"]

    def attempt() -> None:
        try:
            program()
            raised[0] = "nothing"
        except PeerLost as error:
            raised[0] = str(error)

    attempting = threading.Thread(target=attempt, daemon=True)
    attempting.start()
    attempting.join(5)
    return raised[0]


def test_a_peer_that_closes_is_an_error_and_not_a_wait(pair):
    """Trap 48: closing has to end the connection although a thread of the closing host still reads from it."""
    pair[1].close()
    assert in_time(lambda: pair[0].receive(1)).startswith("host 0: host 1 is gone while being waited for")
    many = [torch.zeros(100_000)] * 100
    assert in_time(lambda: pair[0].send(1, many)).startswith("host 0: host 1 is gone while being sent to")


# ------------------------------------------------------------------------------------------------- averages


def trees(count: int = 3) -> list[dict]:
    generator = torch.Generator().manual_seed(0)
    return [
        {"row": torch.randn(50, generator=generator), "state": [torch.randn(2, 3, generator=generator)]}
        for _ in range(count)
    ]


@pytest.mark.parametrize("shares", [[1.0], [0.2, 0.8], [0.5, 0.25, 0.25]])
def test_an_average_leaves_its_inputs_alone(shares):
    """Trap 34: the sum into an alias of the first input."""
    given = trees(len(shares))
    before = [digest(tree) for tree in given]
    mean = weighted_sum(shares, given)
    mean["row"] += 1
    assert [digest(tree) for tree in given] == before


def test_an_average_is_the_weighted_sum_in_any_order():
    given, shares = trees(), [0.5, 0.3, 0.2]
    expected = sum(share * tree["row"] for share, tree in zip(shares, given, strict=True))
    for order in ([0, 1, 2], [2, 0, 1], [1, 0, 2]):
        found = weighted_sum([shares[k] for k in order], [given[k] for k in order])
        assert torch.allclose(found["row"], expected, rtol=0, atol=1e-6)
        assert found["state"][0].shape == (2, 3)


def test_an_average_runs_in_the_order_given():
    """Trap 40: in float32, (1e8 + 1) - 1e8 is 0 and (1e8 - 1e8) + 1 is 1."""
    big, one, minus = (torch.tensor([value]) for value in (1e8, 1.0, -1e8))
    assert weighted_sum([1.0, 1.0, 1.0], [big, one, minus]).item() == 0
    assert weighted_sum([1.0, 1.0, 1.0], [big, minus, one]).item() == 1


def test_counters_are_not_averaged():
    """Trap 35: integer counters take the first institution's."""
    found = weighted_sum([0.5, 0.5], [{"c": torch.tensor([3])}, {"c": torch.tensor([8])}])
    assert found["c"].tolist() == [3]
    assert found["c"].dtype == torch.int64


@pytest.mark.parametrize("name", ["baseline/fedavg", "swarm/dpsgd", "swarm/leader_merge", "split/splitfed_v1"])
def test_batch_norm_statistics_are_averaged_or_stay_at_home_as_the_policy_says(name):
    cut = {"cut": 2} if name.startswith("split") else {}
    models = {p: run(small_job(name, {"batch_norm": p, **cut}, rounds=2)).models for p in ("average", "local")}
    means, homes = ([models[p][i]["buffers"] for i in range(3)] for p in ("average", "local"))
    if name != "swarm/dpsgd":
        assert torch.equal(means[0], means[1])
    bottom = 16 if cut else len(homes[0])  # the parts of the split model hold their statistics themselves
    assert not torch.equal(homes[0][:bottom], homes[1][:bottom])
    assert models["average"][0]["counters"].dtype == torch.int64
    assert not any(
        "buffers" in line.kind for line in run(small_job(name, {"batch_norm": "local", **cut})).rounds[0].traffic
    )


def test_the_average_statistics_are_weighted_like_the_parameters():
    done = run(small_job("baseline/fedavg", {}, rounds=1))
    members = [done.state[f"members/{i}"]["weights"]["buffers"] for i in range(3)]
    expected = sum(size * buffers for size, buffers in zip((37, 21, 48), members, strict=True)) / 106
    assert torch.allclose(done.state["server_weights/0"]["buffers"], expected, rtol=0, atol=1e-14)


def test_stacked_members_can_be_taken_apart_and_are_the_same():
    values = {i: {"a": torch.randn(3), "b": torch.randn(2)} for i in range(3)} | {
        3: {"a": torch.randn(4), "b": torch.randn(2)}
    }
    packed = Located(blocks=Located(values).blocks)
    assert list(packed) == [0, 1, 2, 3]
    assert all(digest(packed.values[i]) == digest(values[i]) for i in values)
    assert torch.equal(packed["a"].values[3], values[3]["a"])
    assert len(flatten(packed.values[0])[1]) == 2
