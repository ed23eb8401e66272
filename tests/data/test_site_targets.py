"""A table in which each institution predicts a column of its own."""

from __future__ import annotations

import numpy as np
import pytest

from swarmsim.data.csv import Csv
from swarmsim.data.federate import federate
from swarmsim.partition.iid import Iid
from swarmsim.partition.natural import Natural
from swarmsim.types import InputError

TABLE = "age,site,ill,stage,weight\n" + "\n".join(
    f"{30 + k},{'north' if k % 2 else 'south'},{'yes' if k % 4 == 1 else 'no' if k % 2 else ''},"
    f"{k % 3 + 1 if k % 2 == 0 else 'NA'},{k / 2}"
    for k in range(24)
)
TARGETS = {"north": "ill", "south": "stage"}


@pytest.fixture
def table(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    return str(tmp_path / "t.csv")


def source(table: str, **arguments: object) -> Csv:
    return Csv(**{"path": table, "target": TARGETS, "site": "site", "standardize": "none"} | arguments)


def test_each_site_predicts_its_own_column_and_neither_is_a_feature(table):
    data = source(table).load(None, 0)
    assert data.feature_names == ("age", "weight")
    assert not data.one_task
    north, south = (data.columns["site"] == name for name in ("north", "south"))
    assert data.targets[north].tolist() == [1, 0] * 6  # rows 1, 3, 5, ...: yes, no, ...
    assert data.targets[south].tolist() == [k % 3 for k in range(0, 24, 2)]
    assert data.classes == ("no/1", "yes/2", "3")
    assert data.targets.dtype == np.int64
    assert data.notes[1:] == ("csv: north predicts ill (no, yes)", "csv: south predicts stage (1, 2, 3)")


def test_sites_are_the_institutions_with_or_without_a_partition(table):
    for partition in (None, Natural(column="site")):
        made = federate(source(table), partition, None, 0)
        assert made.names == ("north", "south")
        assert not made.one_task
        assert set(made.shards[0].train.y) == {0, 1}
        assert set(made.shards[1].train.y) == {0, 1, 2}
    with pytest.raises(InputError, match="'institution-0' would hold examples of north, south, which predict differ"):
        federate(source(table), Iid(), 2, 0)


def test_equal_names_of_classes_stay_as_they_are_and_one_task_is_the_rule(tmp_path):
    (tmp_path / "t.csv").write_text("age,site,a,b\n1,n,no,\n2,n,yes,\n3,s,,no\n4,s,,yes\n")
    data = source(str(tmp_path / "t.csv"), target={"n": "a", "s": "b"}).load(None, 0)
    assert data.classes == ("no", "yes")
    assert Csv(path=str(tmp_path / "t.csv"), target="site", drop=("a", "b")).load(None, 0).one_task


def test_numbers(table):
    data = source(table, target={"north": "age", "south": "weight"}, drop=("ill", "stage"), categorical=())
    with pytest.raises(InputError, match="no column left"):
        data.load(None, 0)
    data = source(table, target={"north": "age", "south": "weight"}, categorical=("ill",), target_type="regression")
    made = data.load(None, 0)
    assert made.classes == ()
    assert made.targets[:4].tolist() == [[0], [31], [1], [33]]  # south's weight, north's age
    assert "csv: north predicts age" in made.notes


def test_one_column_may_be_the_target_of_two_sites(table):
    data = source(table, target={"north": "weight", "south": "weight"}, categorical=("ill",), target_type="regression")
    assert data.load(None, 0).targets[:, 0].tolist() == [k / 2 for k in range(24)]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"north": "ill"}, "no column to predict for south"),
        ({"north": "ill", "south": "stage", "soth": "ill"}, r"no site 'soth' \(did you mean 'south'\?\)"),
        ({"north": "ill", "south": "il"}, "no column 'il'"),
        ({"north": "stage", "south": "ill"}, "'stage' of .*among the rows of 'north',: row 1 is empty"),
        ({"north": "ill", "south": "site"}, "named twice"),
    ],
)
def test_targets_that_do_not_fit(table, target, message):
    with pytest.raises(InputError, match=message):
        source(table, target=target).load(None, 0)


def test_a_target_for_each_site_needs_sites():
    with pytest.raises(ValueError, match="needs `site`"):
        Csv(path="x.csv", target=TARGETS)
