"""Threads, degenerate sizes and what a method may not depend on (traps 30, 41)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.runtime.driver import Inline
from swarmsim.timetable import planned
from tests.comparing import bytes_of, digest
from tests.jobs import blobs, job, mixing, run, still
from tests.methods import VARIANTS, method, small_job

CASES = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]


def test_a_host_computes_with_one_thread():
    """Trap 41: two threads give other bits than one."""
    torch.set_num_threads(2)
    with Inline() as runtime:
        runtime.start(small_job("baseline/local", {}))
        assert torch.get_num_threads() == 1


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_method_runs_with_one_institution_which_talks_to_the_server_at_most(name, arguments):
    done = run(small_job(name, arguments, shards=blobs((19,)), mixing=mixing([[1.0]])))
    assert np.isfinite(done.params).all()
    assert bytes_of(done.rounds, src="institution-0", dst="institution-0") == 0
    peers = {line.src for each in done.rounds for line in each.traffic} - {"institution-0"}
    assert all(name.startswith("server") for name in peers)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_method_runs_with_two_institutions_of_one_and_of_many_examples(name, arguments):
    """A batch of one example, at the end of an epoch or alone."""
    done = run(
        small_job(
            name, arguments, shards=blobs((2, 17)), mixing=mixing(np.full((2, 2), 0.5)), model={"batch_norm": False}
        )
    )
    assert np.isfinite(done.params).all()
    assert len(done.params) == (1 if name == "split/vertical" else 2)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_method_trains(name, arguments):
    """The training loss of every institution that is reported falls in 15 rounds."""
    rounds = run(small_job(name, {"momentum": 0.0, **arguments}, rounds=15)).rounds
    assert rounds[0].losses.keys() == rounds[-1].losses.keys()
    assert all(rounds[-1].losses[who] < 0.8 * rounds[0].losses[who] for who in rounds[0].losses)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_a_round_is_a_function_of_the_state(name, arguments):
    """The same round of the same state twice: the same bits, and the state it was given is left alone."""
    work = small_job(name, arguments, model={"dropout": 0.3})
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 1)
        host = runtime._host
        state, before = host.state, digest(host.save())
        runtime.advance(1, 2)
        first = digest(host.save())
        host.state = state
        assert digest(host.save()) == before
        runtime.advance(1, 2)
        assert digest(host.save()) == first != before


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_models_are_rows_of_the_runs_dtype(name, arguments, dtype):
    models = run(small_job(name, arguments, rounds=1, dtype=dtype)).models
    assert list(models) == ([2] if name == "split/vertical" else [0, 1, 2])  # the joint model is where the labels are
    rows = [(kind, row) for held in models.values() for kind, row in held.items() if row.numel()]
    assert {row.dtype for kind, row in rows if kind != "counters"} == {getattr(torch, dtype)}
    assert {row.dtype for kind, row in rows if kind == "counters"} <= {torch.int64}
    assert not any(row.requires_grad for held in models.values() for row in held.values())


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["baseline/local", "baseline/fedavg", "swarm/dpsgd", "swarm/leader_merge"])
def test_an_institution_without_training_examples_takes_no_step(name, packed):
    from dataclasses import replace

    from swarmsim.types import Part

    shards = blobs((16, 16, 16))
    x, y = shards[1].train.x[:0], shards[1].train.y[:0]
    shards[1] = replace(shards[1], train=Part(x, y))
    work = job(method(name), shards[:1] + shards[2:], mixing=mixing([[0.5, 0.5], [0.5, 0.5]]), rounds=2)
    ring = mixing([[0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    names = tuple(shard.name for shard in shards)
    work = replace(
        work, names=names, sizes=(16, 0, 16), shards=dict(enumerate(shards)), schedule=still(ring), packed=packed,
        tests=tuple(shard.test for shard in shards),
        hosts={"institution": (0, 0, 0), "server": (1,) * len(work.servers)},
    )  # fmt: skip
    if name == "swarm/leader_merge":
        work = replace(work, schedule=planned(work.algorithm, still(ring), names, work.sizes, work.rounds, work.seed))
    done = run(work)
    assert np.isfinite(done.params).all()
    assert "institution-1" not in done.rounds[0].losses
