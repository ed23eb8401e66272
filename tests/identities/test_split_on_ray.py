"""Every split method on Ray, with random delays, is its unsplit twin in this process: no bit differs.

On: BatchNorm, dropout, ragged last batches, float64, an institution and a server a host, stages that sleep at random.
The twin adds in the same order, so that the tolerance is 0 everywhere: for parameters, statistics and the state of
every optimiser.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from swarmsim.models.mlp import Mlp
from swarmsim.runtime.driver import Inline
from swarmsim.twins import twin_of
from tests.comparing import digest
from tests.identities.test_split import FALLING, OPTIMISERS, SPLIT
from tests.methods import MODEL, RAY_HOSTS, small_job
from tests.slow import SlowMlp, SlowMultimodal

DROPOUT = 0.3
IDS = [f"{name} {' '.join(map(str, arguments.values()))}" for name, arguments in SPLIT]


def slow_job(name: str, arguments: dict):
    """Institutions on hosts 0, 1 and 2, servers on 3, 0, 1, ...: copies are served by different hosts."""
    work = small_job(name, arguments, rounds=2, hosts=3)
    model = SlowMlp(**MODEL, dropout=DROPOUT)
    if not isinstance(work.model, Mlp):
        model = SlowMultimodal(**work.model.model_dump() | {"dropout": DROPOUT})
    servers = tuple((3 + k) % RAY_HOSTS for k in range(len(work.servers)))
    return replace(work, model=model, hosts={"institution": (0, 1, 2), "server": servers})


def trained(runtime, work) -> tuple:
    """(models, state, losses and messages) of a job, the tensors as hashes."""
    runtime.start(work)
    rounds = runtime.advance(0, work.rounds)
    trees = ({key: digest(tree) for key, tree in found.items()} for found in (runtime.models(), runtime.save()))
    return *trees, [(each.losses, each.traffic, each.notes) for each in rounds]


@pytest.mark.ray
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize(("name", "arguments"), SPLIT, ids=IDS)
def test_every_split_method_with_late_actors_is_its_unsplit_twin(name, arguments, optimiser, ray_hosts):
    """Traps 5, 6, 7, 8, 9, 10."""
    work = slow_job(name, {**arguments, **OPTIMISERS[optimiser], **FALLING})
    fast = replace(work, model=work.model.model_copy(update={"late": 0.0}))
    models, state, rounds = trained(ray_hosts, work)
    with Inline() as runtime:
        twin = trained(runtime, replace(fast, algorithm=twin_of(fast)[1]))
        assert trained(runtime, fast) == (models, state, rounds)  # the messages too are those of one process
    assert twin[:2] == (models, state)
    assert [losses for losses, _, _ in twin[2]] == [losses for losses, _, _ in rounds]
