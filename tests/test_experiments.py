"""Every file in experiments/ runs, writes the run folder as promised, twice the same, and goes on after a kill."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml
from safetensors.numpy import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from swarmsim.cli import main
from swarmsim.experiment import Study, json_schema, read
from swarmsim.log.run_folder import RunFolder
from tests.experiment.files import PLUGINS

ROOT = Path(__file__).parents[1]
EXPERIMENTS = ROOT / "experiments"
FILES = sorted(EXPERIMENTS.glob("**/*.yaml"))
SMALLER = {  # beside two rounds: less of everything that does not change what the file shows
    "packed_1000": ["institutions=12"],
    "phantom_scanners": ["data.examples=40", "data.external=20"],
    "label_skew": ["data.examples=40"],
    "quickstart": ["runtime.use=inline"],
    "split/batch_norm": ["data.examples=40"],
    "split/cut_depth": ["data.examples=40"],
    "split/forgetting": ["data.examples=40"],
    "split/institutions": ["data.examples=20"],
    "split/segmentation": ["data.examples=16"],
    "split/splitavg": ["data.examples=40"],
    "split/u_shaped": ["runtime.use=inline"],
    "split/vertical_imaging": ["data.examples=40"],
    "swarm/protocol": ["faults.down=[{institution: Hungary, from: 2}]"],
    "swarm/thousand": ["institutions=12"],
}
HEADERS = {
    "metrics": ["round", "seconds", "split", "institution", "model", "metric", "value"],
    "ledger": ["round", "src", "dst", "kind", "messages", "bytes"],
    "merges": ["round", "merge", "leader", "contributors", "left_out", "reason"],
}
SAME = (
    "metrics.csv",
    "ledger.csv",
    "merges.csv",
    "events.csv",
    "model/rows.safetensors",
    "model/layout.json",
    "partition.npz",
)


def name_of(path: Path) -> str:
    """An experiment's path within experiments/, such as split/vanilla."""
    return path.relative_to(EXPERIMENTS).with_suffix("").as_posix()


every_file = pytest.mark.parametrize("path", FILES, ids=name_of)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    """Paths in experiment files are relative to where swarmsim is run."""
    monkeypatch.chdir(ROOT)


def run(name: str, out: Path, *changes: str) -> int:
    """The experiment of that name, with changes."""
    options = [part for change in changes for part in ("--set", change)]
    options += [part for plugin in PLUGINS.get(name, ()) for part in ("--plugin", plugin)]
    return main(["run", f"experiments/{name}.yaml", "--out", str(out), *options])


def shrunk(path: Path) -> list[str]:
    return ["rounds=2", *SMALLER.get(name_of(path), [])]


def table(path: Path) -> list[list[str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def study_in(path: Path, name: str) -> Study:
    """A file read with the plug-ins of the experiment of that name."""
    return read(path, plugins=PLUGINS.get(name, ()))


def runs_of(out: Path, path: Path) -> list[Path]:
    """The folder of each method of a study."""
    study = study_in(path, name_of(path))
    return [out] if study.single else [out / method.label for method in study.methods]


def same(a: Path, b: Path) -> None:
    for name in SAME:
        assert (a / name).read_bytes() == (b / name).read_bytes(), name


def test_all_experiments_are_described():
    said = (EXPERIMENTS / "README.md").read_text()
    assert [name_of(path) for path in FILES if f"`{name_of(path)}.yaml`" not in said] == []


@every_file
def test_an_editor_would_find_nothing_wrong(path):
    jsonschema.validate(yaml.safe_load(path.read_text()), json_schema(PLUGINS.get(name_of(path), ())))


@every_file
def test_an_experiment_runs_and_keeps_the_contract(path, tmp_path):
    """Those of the top folder run twice, to the same bytes; test_equivalence.py says it of every method's numbers."""
    outs = [tmp_path / "a", tmp_path / "b"] if path.parent == EXPERIMENTS else [tmp_path / "a"]
    for out in outs:
        assert run(name_of(path), out, *shrunk(path)) == 0
    for folders in zip(*(runs_of(out, path) for out in outs), strict=True):
        check_folder(folders[0])
        same(folders[0], folders[-1])
    top = json.loads((tmp_path / "a" / "summary.json").read_text())
    study, again = (study_in(each, name_of(path)) for each in (path, tmp_path / "a" / "experiment.yaml"))
    assert study.single or list(top["methods"]) == [method.label for method in study.methods]
    assert [method.rounds for method in again.methods] == [min(2, method.rounds) for method in study.methods]


def check_folder(folder: Path) -> None:
    """The run folder as other tools read it."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["status"], manifest["cause"]) == ("completed", None)
    assert list(folder.glob("events.out.tfevents.*"))
    tables = {name: table(folder / f"{name}.csv") for name in HEADERS}
    assert {name: rows[0] for name, rows in tables.items()} == HEADERS
    assert table(folder / "timing.csv")[0][:2] == ["round", "wall_seconds"]
    keys = [tuple(row[:6]) for row in tables["metrics"][1:]]
    assert len(set(keys)) == len(keys) > 0  # tidy: one value a line, none twice
    assert all(math.isfinite(float(row[6])) for row in tables["metrics"][1:])
    check_summary(json.loads((folder / "summary.json").read_text()), tables)
    rows, layout = (
        load_file(folder / "model" / "rows.safetensors"),
        json.loads((folder / "model/layout.json").read_text()),
    )
    names = {row[3] for row in tables["metrics"][1:] if row[2:5:2] == ["test", "local"]}
    width = sum(math.prod(slot["shape"]) for slot in layout if slot["row"] == "params")
    assert rows["params"].shape == (len(names), width)


def check_summary(summary: dict, tables: dict[str, list[list[str]]]) -> None:
    assert summary["rounds"] == max(int(row[0]) for row in tables["metrics"][1:])
    seconds = [row[1] for row in tables["metrics"][1:] if row[1]]
    assert summary["simulated_seconds"] == (float(seconds[-1]) if seconds else None)
    assert summary["wall_seconds"] > 0
    sent = [row for row in tables["ledger"][1:] if not row[3].startswith("eval_")]
    assert summary["messages"] == sum(int(row[4]) for row in sent)
    assert summary["bytes"] == sum(int(row[5]) for row in sent)
    figures = [f for splits in summary["scores"].values() for metrics in splits.values() for f in metrics.values()]
    assert figures
    assert all({"mean", "worst", "per_institution", "final", "best"} <= set(each) for each in figures)
    assert "test" in summary["scores"]["local"]


def test_the_fixed_point(tmp_path):
    """The closed form: x = (I - (1 - lr) W)^-1 lr W a on the ring of 8, RMS distance to 3.5 of 0.541602."""
    assert run("fixed_point", tmp_path / "out") == 0
    x = load_file(tmp_path / "out" / "model" / "rows.safetensors")["params"]
    assert x.shape == (8, 1)
    assert x.mean() == pytest.approx(3.5, abs=1e-12)
    assert math.sqrt(((x - 3.5) ** 2).mean()) == pytest.approx(0.541602, abs=5e-7)


@pytest.mark.ray
def test_quickstart_on_ray_is_quickstart_inline(tmp_path, ray_session):
    assert run("quickstart", tmp_path / "ray", "rounds=2") == 0
    assert run("quickstart", tmp_path / "inline", "rounds=2", "runtime.use=inline") == 0
    path = EXPERIMENTS / "quickstart.yaml"
    for a, b in zip(runs_of(tmp_path / "ray", path), runs_of(tmp_path / "inline", path), strict=True):
        same(a, b)


# ------------------------------------------------------------------------------- used folders, resume


def test_a_used_folder_is_refused_unless_forced(tmp_path, capsys):
    out = tmp_path / "out"
    assert run("hospital_network", out, "rounds=1") == 0
    before = (out / "metrics.csv").read_bytes()
    assert run("hospital_network", out, "rounds=2") == 2
    assert "--force" in capsys.readouterr().err
    assert (out / "metrics.csv").read_bytes() == before
    assert main(["run", "experiments/hospital_network.yaml", "--out", str(out), "--set", "rounds=2", "--force"]) == 0
    assert (out / "metrics.csv").read_bytes() != before


@pytest.fixture
def cut_off(monkeypatch):
    """The run is interrupted behind a round; what a kill would have left behind at that moment is copied away."""

    def arm(round_: int, source: Path, copy: Path, method: str = "") -> None:
        record = RunFolder.record

        def interrupted(folder: RunFolder, report) -> None:
            record(folder, report)
            if report.round == round_ and folder.path.name.startswith(method):
                shutil.copytree(source, copy)
                monkeypatch.setattr(RunFolder, "record", record)
                raise KeyboardInterrupt

        monkeypatch.setattr(RunFolder, "record", interrupted)

    return arm


@pytest.mark.parametrize("stopped", [3, 8, 10], ids=lambda k: f"round {k}")
def test_resume_gives_the_same_bits(tmp_path, cut_off, stopped):
    whole, broken, killed = tmp_path / "whole", tmp_path / "broken", tmp_path / "killed"
    assert run("resume", whole, "rounds=12") == 0
    cut_off(stopped, broken, killed)
    assert run("resume", broken, "rounds=12") == 130
    assert json.loads((broken / "manifest.json").read_text())["status"] == "interrupted"
    assert json.loads((killed / "manifest.json").read_text())["status"] == "running"
    for folder in (broken, killed):
        assert main(["resume", str(folder)]) == 0
        same(whole, folder)
        check_folder(folder)
        assert points(folder) == points(whole)


def points(folder: Path) -> list[tuple[int, float]]:
    """A curve as TensorBoard shows it."""
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("swarm/mean_loss")]


def test_resume_of_several_methods(tmp_path, cut_off):
    changes = ["rounds=4", "checkpoint={every: 2}"]
    assert run("baselines", tmp_path / "whole", *changes) == 0
    cut_off(3, tmp_path / "broken", tmp_path / "killed", "baseline-fedavg")
    assert run("baselines", tmp_path / "broken", *changes) == 130
    assert not (tmp_path / "broken" / "baseline-cyclic").exists()
    assert main(["resume", str(tmp_path / "broken")]) == 0
    path = EXPERIMENTS / "baselines.yaml"
    for a, b in zip(runs_of(tmp_path / "whole", path), runs_of(tmp_path / "broken", path), strict=True):
        same(a, b)


def test_resume_of_nothing(tmp_path, capsys):
    assert main(["resume", str(tmp_path)]) == 2
    assert "experiment.yaml" in capsys.readouterr().err
