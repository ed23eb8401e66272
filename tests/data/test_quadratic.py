from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from swarmsim.data.federate import federate
from swarmsim.data.quadratic import Quadratic
from swarmsim.partition.iid import Iid
from swarmsim.types import InputError


def test_numbers_and_lists():
    numbers = Quadratic(targets=[1, 2.5]).load(None, 0)
    assert numbers.targets.dtype == np.float64
    assert numbers.targets.tolist() == [[1], [2.5]]
    assert numbers.features.tolist() == [[0], [0]]
    assert Quadratic(targets=[[1, 2], [3, 4], [5, 6]]).load(3, 0).targets.shape == (3, 2)


@pytest.mark.parametrize("targets", [[], [1, [2]], [[1], [2, 3]], [[], []], [float("nan")]])
def test_targets_that_do_not_fit_together(targets):
    with pytest.raises(ValidationError):
        Quadratic(targets=targets)


def test_institutions_must_be_as_many_as_targets():
    with pytest.raises(InputError, match="2 targets, but institutions is 3"):
        Quadratic(targets=[1, 2]).load(3, 0)


def test_every_part_is_the_objective_and_order_survives_a_dozen():
    federation = federate(Quadratic(targets=list(range(12))), None, None, 0)
    assert federation.names[1] == "institution-01"
    for i, shard in enumerate(federation.shards):
        assert shard.train.y.tolist() == shard.validation.y.tolist() == shard.test.y.tolist() == [[i]]
    assert federation.classes == ()
    assert any("define the objective" in note for note in federation.notes)


def test_a_partition_may_deal_the_targets():
    federation = federate(Quadratic(targets=[3, 1, 2]), Iid(), 3, 0)
    assert sorted(float(shard.train.y[0, 0]) for shard in federation.shards) == [1, 2, 3]
