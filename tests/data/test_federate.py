from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swarmsim.data.federate import federate
from swarmsim.data.heart_disease import HeartDisease
from swarmsim.data.phantom import Phantom
from swarmsim.data.prepare import apply, measure
from swarmsim.data.split import split
from swarmsim.data.text import folder_names
from swarmsim.partition.iid import Iid
from swarmsim.partition.natural import Natural
from swarmsim.types import Arguments, Assignment, Dataset, InputError
from tests.data.examples import labelled, tabular


class Given(Arguments):
    """A source of what it is given."""

    data: object
    standardize: str = "pooled"

    def load(self, institutions: int | None, seed: int) -> Dataset:
        return self.data


def hospitals(data: Dataset | None = None, **arguments: object):
    return federate(Given(data=data or tabular(), **arguments), Natural(column="hospital"), None, 0)


def pooled(federation):
    return np.concatenate([shard.train.x for shard in federation.shards])


# ------------------------------------------------------------------------------------------ dividing


def test_split_is_stratified_and_covers_every_example_once():
    data = labelled(np.repeat([0, 1, 2], [70, 20, 10]))
    (rows,) = split(data, Assignment(("a",), (np.arange(100),)), 0.1, 0.25, 0)
    assert sorted(np.concatenate(rows)) == list(range(100))
    assert [len(part) for part in rows] == [65, 10, 25]
    for part, fraction in zip(rows, (0.65, 0.1, 0.25), strict=True):
        assert np.abs(np.bincount(data.targets[part], minlength=3) - fraction * np.array([70, 20, 10])).max() <= 1


def test_a_single_example_of_a_class_is_trained_on():
    data = labelled([0] * 30 + [1])
    (rows,) = split(data, Assignment(("a",), (np.arange(31),)), 0.1, 0.25, 0)
    assert 30 in rows.train


def test_fractions_of_zero_give_empty_parts_and_others_at_least_one():
    data = labelled([0, 1, 0, 1])
    (rows,) = split(data, Assignment(("a",), (np.arange(4),)), 0.0, 0.01, 0)
    assert [len(part) for part in rows] == [3, 0, 1]


def test_nothing_left_to_train_on():
    with pytest.raises(InputError, match="'b' has 2 examples: 1 for validation and 1 for test"):
        split(labelled([0, 1, 0, 1, 0, 1]), Assignment(("a", "b"), (np.arange(4), np.arange(4, 6))), 0.1, 0.25, 0)


# ------------------------------------------------------------------------------------------- scaling


def test_pooled_scaling_uses_training_examples_only():
    data = tabular()
    federation = hospitals(data)
    assert pooled(federation).mean(0) == pytest.approx(0, abs=1e-5)
    assert pooled(federation).std(0) == pytest.approx(1, abs=1e-5)
    train = np.concatenate([federation.indices[f"{name}/train"] for name in federation.names])
    elsewhere = np.setdiff1d(np.arange(len(data.targets)), train)
    changed = data.features.copy()
    changed[elsewhere] *= 100
    assert np.array_equal(pooled(hospitals(replace(data, features=changed))), pooled(federation))


def test_institution_scaling_of_one_does_not_depend_on_another():
    data = tabular()
    changed = data.features.copy()
    changed[data.columns["hospital"] == "south"] *= 7
    ours, theirs = (hospitals(d, standardize="institution") for d in (data, replace(data, features=changed)))
    assert np.array_equal(ours.shards[0].train.x, theirs.shards[0].train.x)
    for shard in ours.shards:
        assert shard.train.x.mean(0) == pytest.approx(0, abs=1e-5)
        assert shard.train.x.std(0) == pytest.approx(1, abs=1e-5)


def test_gaps_constant_columns_and_columns_without_any_value():
    train = np.array([[1, 5, np.nan], [3, 5, np.nan], [np.nan, 5, np.nan], [100, 5, np.nan]], dtype=np.float32)
    scaling = measure(train)
    assert scaling.fill.tolist() == [3, 5, 0]
    assert scaling.scale.tolist() == [pytest.approx(np.std([1, 3, 3, 100])), 1, np.inf]
    later = apply(scaling, np.array([[np.nan, 6, 7], [3, np.nan, np.nan]], dtype=np.float32))
    assert later[:, 1:].tolist() == [[1, 0], [0, 0]]
    assert later[0, 0] == later[1, 0]


def test_images_are_scaled_by_channel():
    x = np.random.default_rng(0).normal([[[[3]], [[-5]]]], [[[[2]], [[9]]]], (50, 2, 6, 6)).astype(np.float32)
    scaled = apply(measure(x), x)
    assert scaled.mean((0, 2, 3)) == pytest.approx(0, abs=1e-5)
    assert scaled.std((0, 2, 3)) == pytest.approx(1, abs=1e-5)


def test_the_external_part_is_scaled_by_the_pooled_training_examples():
    data = tabular()
    outside = replace(data, external=Dataset(np.full((2, 3), np.nan, np.float32), np.array([0, 1]), data.classes))
    for rule in ("pooled", "institution"):
        federation = hospitals(outside, standardize=rule)
        assert federation.external.x == pytest.approx(0, abs=1e-5)  # a gap is the pooled mean
        assert any(note.startswith("external: 2 examples") for note in federation.notes)


def test_gaps_and_infinities_are_refused_by_name():
    data = tabular()
    with pytest.raises(InputError, match="missing in a, b, c"):
        hospitals(data, standardize="none")
    infinite = np.nan_to_num(data.features)
    infinite[3, 1] = np.inf
    with pytest.raises(InputError, match="infinite values in b;"):
        hospitals(replace(data, features=infinite), standardize="none")
    with pytest.raises(InputError, match="pixels are missing"):
        hospitals(replace(data, features=np.full((200, 1, 2, 2), np.nan, np.float32)))


def test_none_leaves_features_alone():
    data = replace(tabular(), features=np.nan_to_num(tabular().features))
    federation = hospitals(data, standardize="none")
    assert np.array_equal(federation.shards[0].test.x, data.features[federation.indices["north/test"]])


# ------------------------------------------------------------------------------------ the whole way


def test_heart_disease_federation():
    federation = federate(HeartDisease(), Natural(column="hospital"), None, 0)
    assert federation.names == ("Cleveland", "Hungary", "Switzerland", "VA Long Beach")
    assert [sum(len(p) for p in (s.train, s.validation, s.test)) for s in federation.shards] == [303, 294, 123, 200]
    assert np.array_equal(np.sort(np.concatenate(list(federation.indices.values()))), np.arange(920))
    for shard in federation.shards:
        for part in (shard.train, shard.validation, shard.test):
            assert part.x.dtype == np.float32
            assert part.y.dtype == np.int64
            assert part.x.flags["C_CONTIGUOUS"]
            assert np.isfinite(part.x).all()
            assert set(part.y) == {0, 1}  # stratified: even Switzerland's 8 healthy patients reach every part
    assert any("ledger does not count" in note for note in federation.notes)


def test_the_seed_decides_everything():
    a, b, c = (federate(HeartDisease(), Iid(), 4, seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a.indices[key], b.indices[key]) for key in a.indices)
    assert not all(np.array_equal(a.indices[key], c.indices[key]) for key in a.indices)
    assert np.array_equal(a.shards[2].train.x, b.shards[2].train.x)


def test_without_a_partition_the_column_institution_decides():
    federation = federate(Phantom(examples=20, size=8, scanners=2), None, 3, 0)
    assert federation.names == ("institution-0", "institution-1", "institution-2")
    assert sorted(
        np.concatenate([federation.indices[f"institution-1/{part}"] for part in ("train", "validation", "test")])
    ) == list(range(20, 40))
    with pytest.raises(InputError, match=r"partition: \{use: natural, column: <one of hospital>\}"):
        federate(HeartDisease(), None, 4, 0)


def test_one_class_institutions_are_allowed_and_reported():
    data = labelled([0] * 20 + [1] * 20, columns={"hospital": np.repeat(["ill", "well"], 20)})
    notes = " | ".join(hospitals(data).notes)
    assert "one class only in test at 2 institutions (AUROC is undefined there): ill, well" in notes


def test_many_institutions_are_described_briefly():
    federation = federate(Given(data=labelled(np.arange(400) % 2)), Iid(), 40, 0)
    assert len(federation.notes) < 8


@pytest.mark.parametrize(
    ("name", "folder"), [("a/b", "a-b"), ("..\\x", "-x"), (" .x. ", "x"), ("VA Long Beach", "VA Long Beach")]
)
def test_folder_names(name, folder):
    assert folder_names([name]) == (folder,)


@pytest.mark.parametrize("names", [["a/b", "a-b"], ["North", "north"], ["all"], ["server"], [".."], [" "]])
def test_names_that_cannot_be_folders(names):
    with pytest.raises(InputError, match="in the data"):
        folder_names(names)
