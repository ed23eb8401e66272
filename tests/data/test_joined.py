"""Files of several institutions joined by patient ID, whatever the order of their rows (trap 19)."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from swarmsim.data.federate import federate
from swarmsim.data.joined import Joined
from swarmsim.experiment import read, resolved_yaml
from swarmsim.partition.vertical import Vertical
from swarmsim.types import Block, InputError
from tests.data.examples import PROJECT
from tests.experiment.files import refusal, wrote

IDS = np.array(["11", "7", "007", "20", "3"])  # as texts: 007 11 20 3 7
CLINIC = {"pid": IDS, "age": [50, 60, 70, 80, 90], "sex": list("mffmf"), "ill": ["yes", "no", "no", "yes", "yes"]}
LABORATORY = {"id": ["3", "7", "20", "11", "99"], "crp": [3, 7, 20, 11, 99], "note": list("abcde")}
SCANNED = np.array([20, 3, 11, 7])


@pytest.fixture
def folder(tmp_path):
    return tmp_path


def write(folder, name: str, table: dict, order=None) -> str:
    rows = list(zip(*table.values(), strict=True))
    with (folder / name).open("w", newline="") as file:
        csv.writer(file).writerows([list(table), *(rows[k] for k in (range(len(rows)) if order is None else order))])
    return str(folder / name)


def source(folder, order=None, clinic=CLINIC, laboratory=LABORATORY, scanned=SCANNED, **arguments) -> Joined:
    """Three files; every pixel of a patient's image is the number in their ID, and so is crp."""
    order = range(len(scanned)) if order is None else [k for k in order if k < len(scanned)]
    ids = scanned[list(order)]
    np.savez(folder / "x.npz", ids=ids, images=np.ones((1, 2, 2)) * ids.astype(int)[:, None, None, None])
    tables = {
        "clinic": {"path": write(folder, "clinic.csv", clinic), "id": "pid", "categorical": ["sex"]},
        "laboratory": {"path": write(folder, "lab.csv", laboratory, order if len(order) == 5 else None),
                       "id": "id", "drop": ["note"]},
        "imaging": {"path": str(folder / "x.npz"), "id": "ids", "features": "images"},
    }  # fmt: skip
    return Joined(**{"tables": tables, "labels": "clinic", "target": "ill"} | arguments)


def test_an_inner_join_lines_up_every_patient(folder):
    data = source(folder).load(None, 0)
    assert data.columns["patient"].tolist() == ["11", "20", "3", "7"]
    assert data.blocks == (Block("clinic", (2,)), Block("laboratory", (1,)), Block("imaging", (1, 2, 2)))
    assert data.features[:, 0].tolist() == [50, 80, 90, 60]  # age
    assert data.features[:, 1].tolist() == [1, 1, 0, 0]  # sex=m
    for own in data.features[:, 2:].T:  # crp and four pixels: the ID itself
        assert own.tolist() == [11, 20, 3, 7]
    assert data.classes == ("no", "yes")
    assert data.targets.tolist() == [1, 1, 1, 0]
    assert data.label_holder == "clinic"
    assert data.feature_names == ("age", "sex=m", "crp", *(f"images[{k}]" for k in range(4)))


def test_keep_leaves_what_a_file_lacks_missing(folder):
    data = source(folder, missing="keep").load(None, 0)
    assert data.columns["patient"].tolist() == ["007", "11", "20", "3", "7"]
    assert np.isnan(data.features[0, 2:]).all()  # 007 is not 7
    assert np.isfinite(data.features[1:]).all()
    assert data.targets.tolist() == [0, 1, 1, 1, 0]


def test_the_report_counts_who_matched_and_who_did_not(folder):
    notes = source(folder).load(None, 0).notes
    assert notes == (
        "joined by patient ID: clinic 5, laboratory 5, imaging 4; 4 patients are in every file, 4 are used",
        "joined: 1 patients of clinic have nothing at laboratory: left out",
        "joined: 1 patients of laboratory are unknown at clinic, no target: left out",
        "joined: 1 patients of clinic have nothing at imaging: left out",
    )
    kept = source(folder, missing="keep").load(None, 0).notes
    assert kept[0].endswith("4 patients are in every file, 5 are used")
    assert "joined: 1 patients of clinic have nothing at imaging: kept, with all columns of it missing" in kept


@pytest.mark.parametrize("missing", ["drop", "keep"])
def test_the_order_of_rows_changes_nothing(folder, missing):
    def made(seed: int | None):
        rng = np.random.default_rng(seed)
        order = None if seed is None else rng.permutation(5)
        mixed = CLINIC if seed is None else {key: np.array(own)[order[::-1]] for key, own in CLINIC.items()}
        return federate(source(folder, order, mixed, missing=missing), Vertical(validation=0, test=0.2), None, 0)

    first = made(None)
    for seed in range(4):
        other = made(seed)
        assert other.notes == first.notes
        for ours, theirs in zip(first.shards, other.shards, strict=True):
            for part in ("train", "validation", "test"):
                assert np.array_equal(getattr(ours, part).x, getattr(theirs, part).x, equal_nan=True)
                assert np.array_equal(getattr(ours, part).y, getattr(theirs, part).y)


def test_a_row_of_gaps_is_as_good_as_none(folder):
    empty = {**LABORATORY, "crp": ["", 7, 20, 11, 99]}
    data = source(folder, laboratory=empty).load(None, 0)
    assert data.columns["patient"].tolist() == ["11", "20", "7"]
    assert "joined: 2 patients of clinic have nothing at laboratory: left out" in data.notes
    kept = source(folder, laboratory=empty, missing="keep").load(None, 0)
    assert np.isnan(kept.features[[0, 3], 2]).all()


def test_numbers_as_targets_and_labels_in_an_archive(folder):
    data = source(folder, target="age", target_type="regression", tables=source(folder).tables | {
        "clinic": {"path": str(folder / "clinic.csv"), "id": "pid", "categorical": ["sex", "ill"]}
    }).load(None, 0)  # fmt: skip
    assert data.classes == ()
    assert data.targets.tolist() == [[50], [80], [90], [60]]
    np.savez(folder / "y.npz", ids=np.array([3, 7, 11]), x=np.eye(3), y=np.array([5, 6, 5]))
    labels = {"path": str(folder / "y.npz"), "id": "ids", "features": "x"}
    tables = {"here": labels, "laboratory": source(folder).tables["laboratory"]}
    data = Joined(tables=tables, labels="here", target="y").load(None, 0)
    assert (data.classes, data.targets.tolist()) == (("5", "6"), [0, 0, 1])  # 11, 3, 7
    assert data.blocks == (Block("here", (3,)), Block("laboratory", (1,)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"clinic": {**CLINIC, "pid": ["1", "2", "1", "2", "3"]}}, "2 of 3 patients stand in more than one row: 1, 2"),
        ({"scanned": np.array([3, 3])}, "1 of 1 patients stand in more than one row: 3"),
        ({"laboratory": {**LABORATORY, "id": list("abcde")}}, r"no patient of 'clinic' is also in 'laboratory'.* 007,"),
        ({"missing": "keep", "scanned": np.array([555])}, "no patient of 'clinic' is also in 'imaging': 5 IDs"),
        ({"laboratory": {**LABORATORY, "id": ["3", "", "2", "1", "0"]}}, "row 2: no patient's ID in column 'id'"),
        ({"clinic": {**CLINIC, "ill": ["yes", "", "no", "", "yes"]}}, "is empty for 2 of 4 patients: 20, 7"),
        ({"target": "il"}, r"no column 'il' \(did you mean 'ill'\?\)"),
        ({"scanned": np.array([3.5, 7.0])}, "float64 .*IDs are whole numbers or texts"),
    ],
)  # fmt: skip
def test_errors_name_the_file_and_the_patients(folder, arguments, message):
    with pytest.raises(InputError, match=message):
        source(folder, **arguments).load(None, 0)


def test_a_target_may_be_missing_of_patients_who_are_left_out(folder):
    ill = ["yes", "no", "", "yes", "yes"]  # of 007
    assert len(source(folder, clinic={**CLINIC, "ill": ill}).load(None, 0).targets) == 4
    with pytest.raises(InputError, match="is empty for 1 of 5 patients: 007"):
        source(folder, clinic={**CLINIC, "ill": ill}, missing="keep").load(None, 0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"path": "a.csv", "id": "i", "features": "x"}, "a.csv is a table; leave it out"),
        ({"path": "a.npz", "id": "i"}, "needs `features`"),
        ({"path": "a.npz", "id": "i", "features": "x", "drop": ["b"]}, "are for tables, but a.npz holds arrays"),
    ],
)
def test_arguments_for_the_other_kind_of_file(table, message):
    with pytest.raises(ValueError, match=message):
        Joined(tables={"a": table, "b": {"path": "b.csv", "id": "i"}}, labels="a", target="y")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": np.ones((3, 2))}, "'images' of .* is for 3 patients, 'ids' has 4"),
        ({"images": np.ones(4)}, r"float64 \[4\]; features are numbers \[N, ...\]"),
        ({"ids": np.ones((4, 1), int)}, r"int64 \[4, 1\]; IDs"),
    ],
)
def test_archives_that_do_not_fit(folder, arrays, message):
    made = source(folder)
    np.savez(folder / "x.npz", **{"ids": SCANNED, "images": np.ones((4, 1, 2, 2))} | arrays)
    with pytest.raises(InputError, match=message):
        made.load(None, 0)


# ------------------------------------------------------------------------------------ the example files

EXAMPLE = """\
name: joined
rounds: 1
data:
  use: joined
  tables:
    clinic:     {path: experiments/data/clinic.csv, id: pid, categorical: [sex, pain]}
    laboratory: {path: experiments/data/laboratory.csv, id: patient}
    imaging:    {path: experiments/data/imaging.csv, id: id}
  labels: clinic
  target: ill
model:     {use: multimodal}
task:      {use: classification}
algorithm: {use: baseline/local, lr: 0.1}
"""


def test_the_example_files_are_what_their_description_says(tmp_path, monkeypatch):
    monkeypatch.chdir(PROJECT)
    (method,) = read(wrote(tmp_path, EXAMPLE)).methods
    made = federate(method.data, None, None, 0)
    assert made.notes[0].startswith("joined by patient ID: clinic 300, laboratory 291, imaging 257; 242 patients are")
    assert sum(len(part) for part in (made.shards[0].train, made.shards[0].validation, made.shards[0].test)) == 242
    said = (PROJECT / "experiments" / "data" / "README.md").read_text()
    counts = [int(word) for note in made.notes for word in note.split() if word.isdigit()]
    assert {15, 47, 6, 4} <= set(counts)
    assert all(f" {count} " in said for count in (300, 291, 257, 15, 47, 6, 4))


def test_a_file_reads_back_and_mistakes_have_a_place(tmp_path):
    study = read(wrote(tmp_path, EXAMPLE))
    again = read(wrote(tmp_path, resolved_yaml(study), name="again.yaml"))
    assert list(again.methods[0].data.tables) == ["clinic", "laboratory", "imaging"]
    assert again == study
    bad = refusal(wrote(tmp_path, EXAMPLE, ("id: patient", "ID: patient")))
    assert "data.tables.laboratory.ID: unknown key" in bad
    assert "data.tables.laboratory.id: missing" in bad
    assert "one of clinic, laboratory, imaging" in refusal(wrote(tmp_path, EXAMPLE, ("labels: clinic", "labels: x")))
