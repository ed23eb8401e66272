"""Every method gives the same on every runtime: inline, packed, and Ray with 1, 2 and 3 hosts; and so does a resume."""

from __future__ import annotations

import functools

import pytest

from swarmsim.log import checkpoint
from swarmsim.models.cnn import Cnn
from swarmsim.runtime.driver import Inline
from swarmsim.trees import flatten, unflatten
from tests.comparing import assert_close, assert_same, ended, outcome
from tests.images import pictures
from tests.jobs import job
from tests.methods import VARIANTS, method, names_on_disk, small_job
from tests.threads import ThreadHosts

CASES = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]
IDS = [f"{name} {' '.join(map(str, arguments.values()))}".strip() for name, arguments in CASES]
every_method = pytest.mark.parametrize("case", range(len(CASES)), ids=IDS)
STORMY = {"dropout": 0.2}


def case_job(case: int, hosts: int = 1, dropout: bool = True, **options):
    name, arguments = CASES[case]
    return small_job(name, arguments, hosts=hosts, model=STORMY if dropout else {}, **options)


@functools.cache
def reference(case: int, dropout: bool = True):
    """What a method gives on the inline runtime."""
    with Inline() as runtime:
        return outcome(runtime, case_job(case, dropout=dropout))


def test_every_method_on_disk_is_compared():
    assert set(VARIANTS) == set(names_on_disk())


@every_method
def test_two_runs_have_the_same_bits_and_another_seed_has_others(case):
    """Trap 47: a seed that is ignored, or used twice."""
    with Inline() as runtime:
        assert_same(outcome(runtime, case_job(case)), reference(case))
        other = outcome(runtime, case_job(case, seed=1))
    assert other.rounds[-1].losses != reference(case).rounds[-1].losses


PACKING = [case for case, (name, _) in enumerate(CASES) if names_on_disk()[name].packs]


@pytest.mark.parametrize("case", PACKING, ids=[IDS[case] for case in PACKING])
def test_packed_agrees_to_rounding(case):
    with Inline() as runtime:
        packed = outcome(runtime, case_job(case, dropout=False, packed=True))
    assert_close(packed, reference(case, dropout=False), 1e-12)


@pytest.mark.parametrize("case", PACKING, ids=[IDS[case] for case in PACKING])
def test_packed_agrees_in_float32(case):
    with Inline() as runtime:
        one, other = (outcome(runtime, case_job(case, dropout=False, packed=p, dtype="float32")) for p in (False, True))
    assert_close(one, other, 1e-5)


@every_method
@pytest.mark.parametrize("hosts", [2, 3])
def test_late_messages_change_nothing(case, hosts):
    """Traps 7, 8, 40: whoever is late, the order of sums and of steps is that of the program."""
    work = case_job(case, hosts, dropout=False)
    runtime = ThreadHosts(work, hosts + 1, late=0.002, seed=hosts)
    rounds, expected = runtime.advance(0, work.rounds), reference(case, dropout=False)
    assert [(each.losses, each.traffic, each.merges) for each in rounds] == [
        (each.losses, each.traffic, each.merges) for each in expected.rounds
    ]
    models = runtime.models()
    assert all(models[i][kind].equal(row) for i, held in expected.models.items() for kind, row in held.items())
    assert runtime.mail.sent == runtime.mail.received  # nothing is left in a queue


CONCATENATED = {"cut": 1, "serving": "concatenated", "institution_weights": "averaged_each_batch"}
OF_IMAGES = [("baseline/fedavg", {}), ("split/vanilla", {"cut": 1}), ("split/horizontal", CONCATENATED)]


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), OF_IMAGES)
def test_convolutions_have_the_same_bits_wherever_a_message_lies_in_memory(name, arguments, dtype, channels):
    """A message that crossed is aligned; one that stayed may be a slice: 5 examples of 3 numbers are not."""
    model = Cnn(channels=(3, 5), dense=7, norm="batch")
    options = {"model": model, "rounds": 2, "dtype": dtype}
    algorithm, shards = method(name, **{**arguments, "batch": 5}), pictures(channels=channels)
    work = [job(algorithm, shards, hosts=hosts, **options) for hosts in (1, 3)]
    with Inline() as runtime:
        expected = outcome(runtime, work[0])
    models = _advanced(ThreadHosts(work[1], 4), 2)
    assert all(models[i][kind].equal(row) for i, held in expected.models.items() for kind, row in held.items())


def _advanced(runtime: ThreadHosts, rounds: int) -> dict:
    runtime.advance(0, rounds)
    return runtime.models()


@pytest.mark.ray
@every_method
def test_ray_has_the_same_bits_with_1_2_and_3_hosts(case, ray_hosts):
    for hosts in (1, 2, 3):
        assert_same(outcome(ray_hosts, case_job(case, hosts)), reference(case))


@pytest.mark.ray
def test_ray_with_packed_hosts_agrees_to_rounding(ray_hosts):
    case = PACKING[-1]
    packed = outcome(ray_hosts, case_job(case, 2, dropout=False, packed=True))
    assert_close(packed, reference(case, dropout=False), 1e-12)


# ---------------------------------------------------------------------------------------------------- resume


def through_a_file(saved: dict, folder, round_: int) -> dict:
    """A state written to a checkpoint and read back, as `swarmsim resume` does it."""
    structure, tensors = flatten(saved)
    checkpoint.save(folder, round_, {str(k): tensor for k, tensor in enumerate(tensors)}, {"state": structure}, keep=1)
    found = checkpoint.load_latest(folder)
    assert found.round == round_
    return unflatten(found.meta["state"], [found.tensors[str(k)] for k in range(len(found.tensors))])


def resumed(first, second, work, other, folder, k: int):
    """k rounds on one runtime, the rest on another; the outcome of the second."""
    first.start(work)
    first.advance(0, k)
    saved = through_a_file(first.save(), folder, k)
    second.start(other)
    second.load(saved)
    return ended(second, other, second.advance(k, other.rounds))


@every_method
@pytest.mark.parametrize("k", [1, 2])
def test_a_resumed_run_is_the_run_that_was_never_stopped(case, k, tmp_path):
    with Inline() as first, Inline() as second:
        done = resumed(first, second, case_job(case), case_job(case), tmp_path, k)
    assert_same(done, reference(case), rounds=False)
    assert [(each.round, each.losses, each.traffic) for each in done.rounds] == [
        (each.round, each.losses, each.traffic) for each in reference(case).rounds[k:]
    ]


@pytest.mark.ray
@every_method
def test_a_run_resumes_on_another_number_of_hosts(case, ray_hosts, tmp_path):
    with Inline() as inline:
        done = resumed(inline, ray_hosts, case_job(case), case_job(case, 3), tmp_path / "a", 1)
    assert_same(done, reference(case), rounds=False)
    with Inline() as inline:
        done = resumed(ray_hosts, inline, case_job(case, 2), case_job(case), tmp_path / "b", 2)
    assert_same(done, reference(case), rounds=False)
