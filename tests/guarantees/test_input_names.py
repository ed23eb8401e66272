"""Names become folders: whatever the data or a file calls an institution or a method, a run stays in its folder."""

from __future__ import annotations

import csv
import json
import unicodedata
from pathlib import Path

import pytest

from swarmsim.data.text import RESERVED, folder_names
from swarmsim.experiment import read
from swarmsim.log import tensorboard
from swarmsim.log.claim import CONTRACT
from swarmsim.study import run_study
from swarmsim.types import InputError

ODD = (
    "../../x", "/etc/x", "C:\\x", "con", ".hidden", "c\nd", "x\x1b[31m", "\u202eleft", "-rf", "=1+1", "e" * 100, "日本",
    "metrics.csv", "model",
)  # fmt: skip


def table(path: Path, names: tuple[str, ...]) -> Path:
    """Eight patients of each institution."""
    with path.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["age", "site", "ill"])
        lines.writerows([k % 5, name, k % 2] for name in names for k in range(8))
    return path


def study(folder: Path, names: tuple[str, ...], **changes):
    document = {
        "name": "odd", "rounds": 1,
        "data": {"use": "csv", "path": str(table(folder / "table.csv", names)), "target": "ill", "site": "site"},
        "partition": {"use": "natural", "column": "site"},
        "model": {"use": "logistic"}, "task": {"use": "classification"},
        "algorithm": {"use": "baseline/fedavg", "lr": 0.1}, "checkpoint": {"every": 1},
        "runtime": {"use": "inline", "device": "cpu"},
    } | changes  # fmt: skip
    (folder / "file.yaml").write_text(json.dumps(document))
    return read(folder / "file.yaml")


def everything(folder: Path) -> set[Path]:
    return {path.relative_to(folder) for path in folder.rglob("*")}


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:constrained_layout")  # pictures of odd names are odd
def test_odd_names_of_institutions_stay_in_the_run_folder(tmp_path, monkeypatch):
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")
    odd = study(tmp_path, ODD)
    before = everything(tmp_path)
    out = Path("runs", "odd")
    run_study(odd, out)
    new = everything(tmp_path) - before
    assert {path.parts[:3] for path in new} == {("deep", "er", "runs")}
    folders = {path for path in out.iterdir() if path.is_dir()} - {out / "model", out / "checkpoints"}
    assert {path.name for path in folders} == set(tensorboard.folder_names(folder_names(ODD)).values())
    assert all(path.name.isprintable() for path in out.rglob("*"))
    with (out / "metrics.csv").open(newline="") as file:
        assert {line["institution"] for line in csv.DictReader(file)} >= set(folder_names(ODD))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        (["x" * 300], "300 bytes, but a folder may have 200"),
        (["é" * 101], "202 bytes"),
        ([""], "no name that can be a folder"),
        (["..", "a"], "no name that can be a folder"),
        ([" . "], "no name that can be a folder"),
        (["a/b", "a\\b"], "taken by institution 'a/b'"),
        (["North", "north"], "taken by institution 'North'"),
        (["ß", "ss"], "taken by"),
        ([unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")], "'e\\\\u0301' would have the folder"),
        (["a\0", "a\n"], "taken by"),
        *(([word], "taken by the word") for word in RESERVED),
    ],
)
def test_names_that_cannot_be_folders_are_refused(names, says):
    with pytest.raises(InputError, match=says) as caught:
        folder_names(names)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "name", ["../../x", "a/b", "", ".", "..", "~", "x" * 101, "a\nb", "a\0b", "a b", "é", "/x", "a\n"]
)
@pytest.mark.parametrize("key", ["name", "label"])
def test_odd_names_of_experiments_and_methods_are_refused(tmp_path, key, name):
    methods = [{"algorithm": {"use": "baseline/fedavg", "lr": 0.1}, "label": name if key == "label" else "a"}]
    with pytest.raises(InputError, match=r"must be a text|NUL"):
        study(tmp_path, ("a", "b"), name=name if key == "name" else "odd", methods=methods)


FILES = [name.replace("*", "x") for name in CONTRACT if "/" not in name]


@pytest.mark.parametrize("label", [*FILES, "Summary.JSON", "experiment.yaml.tmp"])
def test_a_method_cannot_take_the_place_of_a_file(tmp_path, label):
    methods = [{"algorithm": {"use": "baseline/fedavg", "lr": 0.1}, "label": label}]
    with pytest.raises(InputError, match=f'methods.0.label: "{label}" is the name of a file'):
        study(tmp_path, ("a", "b"), methods=methods)


@pytest.mark.parametrize("label", ["con", "model", "checkpoints", "all", "server", "a.b-c_d", "x" * 100])
def test_other_labels_are_folders_of_the_run(tmp_path, label):
    methods = [{"algorithm": {"use": "baseline/fedavg", "lr": 0.1}, "label": label}]
    run_study(study(tmp_path, ("a", "b"), methods=methods), tmp_path / "out")
    assert (tmp_path / "out" / label / "metrics.csv").is_file()


@pytest.mark.parametrize("out", ["a b", "é", "..still", "x\ny", "-rf"])
def test_the_user_may_call_the_run_folder_anything(tmp_path, out):
    run_study(study(tmp_path, ("a", "b")), tmp_path / out)
    assert (tmp_path / out / "metrics.csv").is_file()
