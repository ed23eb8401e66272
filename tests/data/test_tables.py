from __future__ import annotations

import numpy as np
import pytest

from swarmsim.data.csv import Csv
from swarmsim.data.npz import Npz
from swarmsim.types import InputError
from tests.data.examples import shared

TABLE = "id,age,colour,site,y\n1,30,red,A,10\n2,?,blue,B,9\n3,NA,,A,10\n4, 61.5 ,green,B,9\n"


@pytest.fixture
def table(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text(TABLE)
    return str(file)


def load(table: str, **arguments: object):
    return Csv(
        **{"path": table, "target": "y", "site": "site", "drop": ["id"], "categorical": ["colour"]} | arguments
    ).load(None, 0)


def test_numbers_categories_gaps_sites_and_classes(table):
    data = load(table)
    assert data.feature_names == ("age", "colour=blue", "colour=green", "colour=red")
    assert np.isnan(data.features[1:3, 0]).all()
    assert data.features[3].tolist() == [61.5, 0, 1, 0]
    assert np.isnan(data.features[2, 1:]).all()
    assert data.columns["site"].tolist() == ["A", "B", "A", "B"]
    assert data.classes == ("9", "10")
    assert data.targets.tolist() == [1, 0, 1, 0]


def test_regression(table):
    data = load(table, target_type="regression")
    assert data.classes == ()
    assert data.targets.dtype == np.float32
    assert data.targets.tolist() == [[10], [9], [10], [9]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"categorical": []}, "column 'colour', row 1 holds 'red'.*categorical"),
        ({"target": "why"}, "no column 'why'"),
        ({"site": "sit"}, "no column 'sit' \\(did you mean 'site'\\?\\)"),
        ({"drop": ["id", "y"]}, "named twice"),
        ({"drop": ["id", "age", "colour"], "categorical": []}, "no column left"),
        ({"target": "colour", "categorical": [], "drop": ["id", "y"]}, "row 3 is empty"),
        ({"target": "site", "site": None, "target_type": "regression"}, "no numbers"),
        ({"path": "/nowhere/x.csv"}, "no file '/nowhere/x.csv'"),
    ],
)
def test_errors_name_the_place(table, arguments, message):
    with pytest.raises(InputError, match=message):
        load(table, **arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,y\n", "at least one row"),
        ("a,a,y\n1,2,3\n", "two columns with the name 'a'"),
        ("a,y\n1,2\n3\n", "row 2 has 1 cells"),
        ("a,y\n1,2\n3,2\n", "one class only"),
        (b"a,y\n\xff,1\n", "cannot be read"),
    ],
)
def test_broken_tables(tmp_path, text, message):
    file = tmp_path / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=message):
        Csv(path=str(file), target="y").load(None, 0)


def test_relative_paths_and_both_places_in_the_error(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "t.csv").write_text("a,y\n1,0\n2,1\n")
    (tmp_path / "data").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("SWARMSIM_DATA", str(tmp_path / "data"))
    assert len(Csv(path="t.csv", target="y").load(None, 0).targets) == 2  # not in SWARMSIM_DATA: current directory
    (tmp_path / "data" / "t.csv").write_text("a,y\n1,0\n2,1\n3,1\n")
    assert len(Csv(path="t.csv", target="y").load(None, 0).targets) == 3
    with pytest.raises(InputError, match=f"{tmp_path}/data/no.csv and {tmp_path}/here/no.csv"):
        Csv(path="no.csv", target="y").load(None, 0)
    monkeypatch.delenv("SWARMSIM_DATA")
    with pytest.raises(InputError, match="SWARMSIM_DATA is not set"):
        Csv(path="no.csv", target="y").load(None, 0)


def archive(tmp_path, **arrays: object) -> str:
    np.savez(tmp_path / "a.npz", **arrays)
    return str(tmp_path / "a.npz")


def test_npz_classes_sites_and_regression(tmp_path):
    path = archive(
        tmp_path, x=np.eye(3), y=np.array([[2.0], [7.0], [2.0]]), s=np.array([1, 0, 1]), n=np.array(["p", "q"])
    )
    data = Npz(path=path, site="s", site_names="n").load(None, 0)
    assert (data.classes, data.targets.tolist()) == (("2", "7"), [0, 1, 0])
    assert data.columns["site"].tolist() == ["q", "p", "q"]
    assert Npz(path=path, site="s").load(None, 0).columns["site"].tolist() == [1, 0, 1]
    assert Npz(path=path, target_type="regression").load(None, 0).targets.shape == (3, 1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": "X"}, "no array 'X' \\(did you mean 'x'"),
        ({"y": "objects"}, "'objects'.*never opened"),
        ({"y": "half"}, "2\\.5, which is no class"),
        ({"y": "short"}, "shape \\[2\\]"),
        ({"x": "words"}, "features are numbers"),
        ({"y": "nan", "target_type": "regression"}, "row 2 is"),
        ({"site": "far", "site_names": "words"}, "does not index"),
        ({"site_names": "words"}, "without `site`"),
    ],
)
def test_npz_errors(tmp_path, arguments, message):
    path = archive(
        tmp_path, x=np.eye(3), y=np.arange(3), objects=np.array([{}, 1, 2]), half=np.array([1, 2.5, 3]),
        short=np.arange(2), words=np.array(["a", "b", "c"]), nan=np.array([1, np.nan, 3]), far=np.array([0, 1, 3]),
    )  # fmt: skip
    with pytest.raises(InputError, match=message):
        Npz(path=path, **arguments).load(None, 0)


@pytest.mark.parametrize("content", [b"", b"hello", b"PK\x03\x04 torn", b"\x93NUMPY\x01\x00"])
def test_a_file_that_is_no_archive(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read as a \.npz"):
        Npz(path=str(tmp_path / "a.npz")).load(None, 0)


def test_icu_file():
    file = shared("physionet2012_icu.npz")
    data = Npz(path=file, x="X", site="icu_type", site_names="icu_names", feature_names="columns").load(None, 0)
    assert data.features.shape == (8000, 148)
    assert set(data.columns["site"]) == {"CCU", "CSRU", "MICU", "SICU"}
    assert data.targets.mean() == pytest.approx(0.14, abs=0.01)
    assert len(data.feature_names) == 148


def test_one_array_is_no_archive(tmp_path):
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.eye(3))
    with pytest.raises(InputError, match=r"cannot be read as a \.npz"):
        Npz(path=str(tmp_path / "a.npz")).load(None, 0)


def test_flipped_bits_are_noticed(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", x=np.arange(3000.0).reshape(1000, 3), y=np.arange(1000) % 2)
    content = bytearray((tmp_path / "a.npz").read_bytes())
    content[300] ^= 0xFF
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"cannot be read"):
        Npz(path=str(tmp_path / "a.npz")).load(None, 0)
