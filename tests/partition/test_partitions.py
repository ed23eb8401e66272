from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from swarmsim.partition.base import numbered
from swarmsim.partition.dirichlet import Dirichlet
from swarmsim.partition.iid import Iid
from swarmsim.partition.natural import Natural
from swarmsim.partition.quantity import Quantity
from swarmsim.partition.shards import Shards
from swarmsim.rng import stream
from swarmsim.types import Dataset, InputError
from tests.data.examples import labelled

LABELS = np.arange(240) % 3


def assign(partition, data: Dataset, n: int | None, seed: int = 0):
    return partition.assign(data, n, stream(seed, "partition"))


def check_cover(assignment, examples: int, n: int) -> None:
    assert len(assignment.names) == len(assignment.indices) == n
    assert np.array_equal(np.sort(np.concatenate(assignment.indices)), np.arange(examples))
    assert all((np.diff(rows) > 0).all() for rows in assignment.indices)


def mixtures(assignment) -> np.ndarray:
    """Shares of the three classes in each institution, [n, 3]."""
    return np.stack([np.bincount(LABELS[rows], minlength=3) / len(rows) for rows in assignment.indices])


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 20), examples=st.integers(40, 120), seed=st.integers(0, 99))
@pytest.mark.parametrize("partition", [Iid(), Shards(), Quantity(minimum=1)], ids=lambda p: type(p).__name__)
def test_every_example_is_held_exactly_once(partition, n, examples, seed):
    check_cover(assign(partition, labelled(np.arange(examples) % 3), n, seed), examples, n)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(1, 8), alpha=st.floats(0.3, 1e6), seed=st.integers(0, 99))
def test_dirichlet_covers_and_respects_the_minimum(n, alpha, seed):
    assignment = assign(Dirichlet(alpha=alpha, minimum=4), labelled(LABELS), n, seed)
    check_cover(assignment, 240, n)
    assert min(map(len, assignment.indices)) >= 4


@pytest.mark.parametrize(
    "partition", [Iid(), Shards(), Quantity(), Dirichlet(alpha=0.5)], ids=lambda p: type(p).__name__
)
def test_the_same_seed_gives_the_same_shards_and_another_does_not(partition):
    a, b, c = (assign(partition, labelled(LABELS), 5, seed).indices for seed in (3, 3, 4))
    assert all(map(np.array_equal, a, b))
    assert not all(map(np.array_equal, a, c))


def test_iid_sizes_differ_by_one():
    assert sorted(map(len, assign(Iid(), labelled([0, 1] * 5 + [0]), 4).indices)) == [2, 3, 3, 3]


def test_dirichlet_limits():
    even = mixtures(assign(Dirichlet(alpha=1e6), labelled(LABELS), 4))
    assert even == pytest.approx(1 / 3, abs=0.03)
    lone = mixtures(assign(Dirichlet(alpha=1e-3, minimum=1), labelled(LABELS), 2))
    assert lone.max(1) == pytest.approx([1, 0.5], abs=0.51)
    assert set(np.unique(lone.round(2))) <= {0, 0.5, 1}  # each class is held by one institution


def test_dirichlet_gives_up_with_the_best_it_saw():
    with pytest.raises(
        InputError, match=r"alpha 0\.001 and 6 institutions: none of 1000 draws gave every institution 10"
    ):
        assign(Dirichlet(alpha=0.001), labelled(LABELS), 6)


def test_dirichlet_needs_classes():
    data = Dataset(np.zeros((50, 1), np.float32), np.zeros((50, 1), np.float32))
    with pytest.raises(InputError, match="the data has none"):
        assign(Dirichlet(), data, 2)


def test_quantity_by_fractions():
    sizes = [len(rows) for rows in assign(Quantity(fractions=[0.5, 0.3, 0.2]), labelled(LABELS), None).indices]
    assert sizes == [120, 72, 48]
    with pytest.raises(InputError, match="3 fractions, but institutions is 4"):
        assign(Quantity(fractions=[0.5, 0.3, 0.2]), labelled(LABELS), 4)
    with pytest.raises(InputError, match=r"fraction 0.01 of 240 examples is 2, below the minimum of 10"):
        assign(Quantity(fractions=[0.99, 0.01]), labelled(LABELS), None)


def test_quantity_skews_sizes_not_classes():
    assignment = assign(Quantity(alpha=0.7, minimum=30), labelled(np.arange(2400) % 3), 4)
    sizes = [len(rows) for rows in assignment.indices]
    assert max(sizes) > 2 * min(sizes)
    shares = [np.bincount(rows % 3, minlength=3) / len(rows) for rows in assignment.indices]
    assert np.stack(shares) == pytest.approx(1 / 3, abs=0.2)


@pytest.mark.parametrize(
    "arguments", [{"alpha": 2.0, "fractions": [0.5, 0.5]}, {"fractions": [0.5, 0.4]}, {"fractions": [1.5, -0.5]}]
)
def test_quantity_arguments(arguments):
    with pytest.raises(ValidationError):
        Quantity(**arguments)


def test_fractions_must_leave_training_examples():
    with pytest.raises(ValidationError, match="something must be left"):
        Iid(validation=0.5, test=0.5)


def test_shards_hold_few_classes():
    assignment = assign(Shards(shards_per_institution=1), labelled(LABELS), 6)
    assert (mixtures(assignment).max(1) == 1).all()
    assert {len(rows) for rows in assignment.indices} == {40}


def test_shards_of_numbers_are_sorted_by_them():
    targets = np.random.default_rng(0).normal(size=(40, 1)).astype(np.float32)
    data = Dataset(np.zeros((40, 1), np.float32), targets)
    stretches = sorted(sorted(targets[rows, 0]) for rows in assign(Shards(shards_per_institution=1), data, 4).indices)
    assert np.concatenate(stretches).tolist() == sorted(targets[:, 0].tolist())


@pytest.mark.parametrize("partition", [Iid(), Shards(), Quantity(), Dirichlet()], ids=lambda p: type(p).__name__)
def test_too_many_institutions_or_none(partition):
    with pytest.raises(InputError, match="there are 240"):
        assign(partition, labelled(LABELS), 241)
    with pytest.raises(InputError, match="write institutions: <n>"):
        assign(partition, labelled(LABELS), None)


def test_natural_order_names_and_agreement():
    words = labelled(
        [0, 1, 0, 1], columns={"hospital": np.array(["b", "a", "b", "c"]), "unit": np.array([10, 9, 10, 9])}
    )
    assert assign(Natural(column="hospital"), words, None).names == ("a", "b", "c")
    numbers = assign(Natural(column="unit"), words, 2)
    assert numbers.names == ("9", "10")
    assert [rows.tolist() for rows in numbers.indices] == [[1, 3], [0, 2]]
    with pytest.raises(InputError, match="institutions is 4, but column 'hospital' has 3 values"):
        assign(Natural(column="hospital"), words, 4)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"hospital": np.array(["a", "b"])}, "no column 'hospitl' \\(did you mean 'hospital'\\?\\); it has hospital"),
        ({}, "it has no columns: use iid"),
        ({"hospitl": np.array(["a", ""])}, "empty in row 2"),
        ({"hospitl": np.array([np.nan, 1.0])}, "empty in row 1"),
    ],
)
def test_natural_errors(columns, message):
    with pytest.raises(InputError, match=message):
        assign(Natural(column="hospitl"), labelled([0, 1], columns=columns), None)


def test_numbered_names_sort():
    assert numbered(1) == ("institution-0",)
    for n in (10, 11, 101):
        assert list(numbered(n)) == sorted(numbered(n))


def test_quantity_reads_back_what_it_wrote():
    """The resolved file of a run has every default in it."""
    given = Quantity(fractions=(0.25, 0.75))
    assert Quantity(**given.model_dump()) == given
