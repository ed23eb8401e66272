"""Columns of one table cut into blocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from swarmsim.data.federate import federate
from swarmsim.data.heart_disease import HeartDisease
from swarmsim.data.npz import Npz
from swarmsim.data.phantom import Phantom
from swarmsim.experiment import read, resolved_yaml
from swarmsim.partition.dirichlet import Dirichlet
from swarmsim.partition.file import read_partition, save_partition
from swarmsim.partition.saved import Saved
from swarmsim.partition.vertical import Vertical
from swarmsim.types import Block, Dataset, InputError
from tests.data.examples import shared
from tests.experiment.files import refusal, wrote

HEART = {
    "history": ("age", "sex", "cp", "trestbps"),
    "laboratory": ("chol", "fbs"),
    "imaging": ("restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal"),
}


def table(**more: object) -> Dataset:
    """Five columns; the last two rows lack columns of block b, one of them all."""
    x = np.arange(30, dtype=np.float32).reshape(6, 5)
    x[4, 1] = np.nan
    x[5, [1, 3]] = np.nan
    names = ("age", "chol", "cp=a", "fbs", "cp=b")
    return Dataset(x, np.array([0, 1, 0, 1, 0, 1]), ("no", "yes"), feature_names=names, **more)


def cut(data: Dataset | None = None, **arguments: object) -> Dataset:
    rule = {"blocks": {"a": ("cp", "age"), "b": ("chol", "fbs")}, "labels": "a"} | arguments
    return Vertical(**rule).cut(data or table())


def test_columns_stand_in_block_order_and_a_name_stands_for_its_indicators():
    data = cut()
    assert data.blocks == (Block("a", (3,)), Block("b", (2,)))
    assert data.label_holder == "a"
    assert data.feature_names == ("age", "cp=a", "cp=b", "chol", "fbs")
    assert np.array_equal(data.features, table().features[:, [0, 2, 4, 1, 3]], equal_nan=True)
    assert data.targets.tolist() == table().targets.tolist()
    assert data.features.flags["C_CONTIGUOUS"]


def test_the_external_part_is_cut_alike():
    outside = Dataset(np.array([[0, 1, 2, 3, 4]], np.float32), np.array([1]))
    assert cut(table(external=outside)).external.features.tolist() == [[0, 2, 4, 1, 3]]


def test_dropped_columns_and_patterns():
    data = cut(blocks={"a": ("c*",), "b": ("fbs",)}, drop=("age",))
    assert data.feature_names == ("chol", "cp=a", "cp=b", "fbs")


def test_missing_indicators_go_with_their_column():
    data = Vertical(blocks=HEART, labels="history").cut(HeartDisease(features="all").load(None, 0))
    assert [block.size for block in data.blocks] == [8, 4, 20]
    assert data.feature_names[8:12] == ("chol", "fbs=True", "chol missing", "fbs missing")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"blocks": {"a": ("cp", "agee"), "b": ("chol", "fbs")}}, r"no column 'agee' \(did you mean 'age'\?\)"),
        ({"blocks": {"a": ("cp", "age"), "b": ("chol", "fbs", "age")}}, "column 'age' is named twice: a and b"),
        ({"drop": ("fbs",)}, "column 'fbs' is named twice: b and drop"),
        ({"blocks": {"a": ("cp",), "b": ("fbs",)}}, "no block holds 'age', 'chol'; put every column in a block"),
        ({"blocks": {"a": ("cp", "age", "chol", "fbs"), "b": ()}}, "block 'b' has no columns"),
        ({"blocks": {}, "labels": None}, "vertical needs blocks"),
    ],
)
def test_blocks_that_do_not_fit(arguments, message):
    with pytest.raises(InputError, match=message):
        cut(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": "A"}, r"labels 'A' is no block \(did you mean 'a'\?\)"),
        ({"labels": None}, "labels is missing; one of a, b has the targets"),
        ({"blocks": {"a": ("age",)}}, "one block is no vertical data"),
        ({"blocks": {}}, "labels and drop belong to blocks"),
    ],
)
def test_arguments_that_contradict_each_other(arguments, message):
    with pytest.raises(ValueError, match=message):
        cut(**arguments)


def test_data_that_is_no_table_of_named_columns_or_has_blocks_already():
    with pytest.raises(InputError, match=r"examples are \[1, 8, 8\] without names.*use: joined"):
        cut(Phantom(examples=4, size=8).load(None, 0))
    vertical = Phantom(examples=8, size=8, history=2).load(None, 0)
    with pytest.raises(InputError, match="blocks of its own, imaging, history; leave `blocks` out"):
        cut(vertical)
    assert Vertical().cut(vertical) is vertical


def test_patients_who_lack_a_block_are_left_out_or_kept():
    everybody = range(6)
    for missing, rows in (("drop", [0, 1, 2, 3, 4]), ("keep", everybody)):
        rule = Vertical(blocks={"a": ("cp", "age"), "b": ("chol", "fbs")}, labels="a", missing=missing)
        assignment = rule.assign(rule.cut(table()), None, None)
        assert assignment.names == ("a", "b")
        assert [own.tolist() for own in assignment.indices] == [list(rows)] * 2
    nobody = replace(table(), features=np.full((6, 5), np.nan, np.float32))
    rule = Vertical(blocks={"a": ("cp", "age"), "b": ("chol", "fbs")}, labels="a")
    with pytest.raises(InputError, match="every patient lacks a block; write missing: keep"):
        rule.assign(rule.cut(nobody), None, None)


# ------------------------------------------------------------------------- heart disease, the whole way


def heart(seed: int = 0, features: str = "all", **arguments: object):
    rule = Vertical(**{"blocks": HEART, "labels": "history"} | arguments)
    return federate(HeartDisease(features=features), rule, None, seed)


def test_one_institution_a_block_and_the_same_patients_at_each():
    federation = heart()
    assert federation.names == ("history", "laboratory", "imaging")
    assert [shard.train.x.shape for shard in federation.shards] == [(598, 8), (598, 4), (598, 20)]
    holder, *others = federation.shards
    assert holder.train.y.shape == (598,)
    assert holder.test.x.shape == (230, 32)
    assert [len(part) for part in (holder.validation, holder.test)] == [92, 230]
    for shard in others:
        assert shard.train.y.shape == (598, 0)
        assert (len(shard.train), len(shard.validation), len(shard.test)) == (598, 0, 0)
    rows = [federation.indices[f"{name}/train"] for name in federation.names]
    assert all(np.array_equal(rows[0], other) for other in rows[1:])
    data = Vertical(blocks=HEART, labels="history").cut(HeartDisease(features="all").load(None, 0))
    assert np.array_equal(holder.train.y, data.targets[rows[0]])
    age = data.features[rows[0], 0]
    assert holder.train.x[:, 0] == pytest.approx((age - age.mean()) / age.std(), abs=1e-5)
    test = federation.indices["history/test"]
    ill = data.features[test, 8 + 2]  # `chol missing`, behind the eight columns of the history
    assert (len(np.unique(holder.test.x[ill == 1, 10])), holder.test.y.tolist()) == (1, data.targets[test].tolist())


def test_classes_are_divided_by_the_same_fractions():
    holder = heart().shards[0]
    shares = [part.y.mean() for part in (holder.train, holder.validation, holder.test)]
    assert shares == pytest.approx([509 / 920] * 3, abs=0.01)


def test_all_blocks_together_know_more_than_each():
    """Logistic regression; on 70/30 divisions: clinical history .85, laboratory .68, imaging .87, all .91."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    federation = heart(validation=0, test=0.3)
    x = np.concatenate([shard.train.x for shard in federation.shards], axis=1)
    y, test = federation.shards[0].train.y, federation.shards[0].test

    def auroc(columns: slice) -> float:
        fitted = LogisticRegression(max_iter=1000).fit(x[:, columns], y)
        return roc_auc_score(test.y, fitted.decision_function(test.x[:, columns]))

    alone = [auroc(own) for own in (slice(0, 8), slice(8, 12), slice(12, 32))]
    assert alone == pytest.approx([0.85, 0.68, 0.87], abs=0.05)
    assert auroc(slice(0, 32)) > max(alone) + 0.01


def test_the_icu_file_by_patterns():
    icu = Npz(path=shared("physionet2012_icu.npz"), x="X", feature_names="columns").load(None, 0)
    families = tuple(dict.fromkeys(f"{name.split('_')[0]}_*" for name in icu.feature_names[4:]))
    rule = Vertical(
        blocks={"vitals": families[:14], "laboratory": families[14:]},
        labels="vitals", drop=("Age", "Gender", "Height", "Weight"),
    )  # fmt: skip
    data = rule.cut(icu)
    assert data.feature_names == icu.feature_names[4:]
    assert data.blocks == (Block("vitals", (56,)), Block("laboratory", (88,)))


# ------------------------------------------------------------------------------- saved, and as a file


def same(a, b) -> bool:
    parts = ("train", "validation", "test")
    pairs = [(getattr(s, p), getattr(t, p)) for s, t in zip(a.shards, b.shards, strict=True) for p in parts]
    return a.names == b.names and all(np.array_equal(s.x, t.x) and np.array_equal(s.y, t.y) for s, t in pairs)


def test_a_saved_partition_gives_the_same_federation_whatever_the_seed(tmp_path):
    federation, path = heart(), tmp_path / "partition.npz"
    save_partition(path, federation)
    saved = read_partition(path)
    assert list(saved) == list(federation.indices)
    again = federate(
        HeartDisease(features="all"), Vertical(blocks=HEART, labels="history", test=0.4), None, 9, saved=saved
    )
    assert same(again, federation)
    assert not same(heart(seed=9), federation)
    phantom = Phantom(examples=12, size=8, history=2)
    save_partition(path, federate(phantom, None, None, 0))
    assert same(federate(phantom, Saved(path=str(path)), None, 0), federate(phantom, None, None, 0))


def test_saved_partitions_that_do_not_fit(tmp_path):
    federation, path = heart(), tmp_path / "partition.npz"
    save_partition(path, federation)
    saved = read_partition(path)
    with pytest.raises(InputError, match=r"examples twice; .*vertical data: then write the partition that cut it"):
        federate(HeartDisease(features="all"), Saved(path=str(path)), None, 0)
    with pytest.raises(InputError, match="is of history, laboratory, imaging, but the blocks of the data are imaging"):
        federate(Phantom(examples=8, size=8, history=2), Saved(path=str(path)), None, 0)
    rule = Vertical(blocks=HEART, labels="history")
    for spoiled, message in (
        ({"imaging/train": saved["imaging/train"][::-1]}, "does not train every institution on the same patients"),
        ({"history/test": saved["history/train"]}, "holds examples twice"),
        ({"history/test": np.array([920])}, "names example 920, but the data has 920"),
    ):
        with pytest.raises(InputError, match=message):
            federate(HeartDisease(features="all"), rule, None, 0, saved=saved | spoiled)


def test_institutions_are_the_blocks():
    with pytest.raises(InputError, match="institutions is 4, but the vertical data has 3"):
        federate(HeartDisease(features="all"), Vertical(blocks=HEART, labels="history"), 4, 0)
    with pytest.raises(InputError, match=r"the data is vertical.*leave `partition` out, or write.*use: vertical"):
        federate(Phantom(examples=8, size=8, history=2), Dirichlet(), None, 0)


VERTICAL = """\
name: vertical
rounds: 1
data:      {use: heart_disease}
partition:
  use: vertical
  blocks: {history: [age, sex, cp, trestbps], imaging: [restecg, thalach, exang, oldpeak]}
  labels: history
model:     {use: multimodal}
task:      {use: classification}
algorithm: {use: baseline/local, lr: 0.1}
"""


def test_blocks_keep_their_order_in_a_file_and_mistakes_have_a_place(tmp_path):
    study = read(wrote(tmp_path, VERTICAL))
    again = read(wrote(tmp_path, resolved_yaml(study), name="again.yaml"))
    assert list(again.methods[0].partition.blocks) == ["history", "imaging"]
    assert again == study
    bad = wrote(tmp_path, VERTICAL, ("imaging: [restecg", "imaging: [3, restecg"))
    assert "partition.blocks.imaging.0: must be a text, got 3" in refusal(bad)
    assert "is no block (did you mean 'history'?)" in refusal(wrote(tmp_path, VERTICAL, ("labels: h", "labels: H")))
