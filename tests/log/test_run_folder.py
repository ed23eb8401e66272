"""The run folder: the same bytes again, cut back and resumed, never overwritten by accident."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from swarmsim.log.run_folder import RunFolder
from swarmsim.types import InputError, Score
from tests.log.reports import NAMES, report, reports

FACTS = {"name": "made-up", "seed": 0, "threads": 1, "runtime": "inline", "hosts": 1}
TABLES = ("metrics", "timing", "ledger", "merges", "events")


def write(path, rounds=5, **options):
    folder = RunFolder.create(path, "name: made-up\n", FACTS, **options)
    for each in reports(rounds):
        folder.record(each)
    return folder


def lines(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def contents(path):
    return {name: (path / f"{name}.csv").read_bytes() for name in TABLES}


def test_every_value_comes_back_exactly(tmp_path):
    write(tmp_path / "a").finish("completed")
    expected = [(str(r.round), *score[:4], score.value) for r in reports(5) for score in r.scores]
    found = [
        (row["round"], row["split"], row["institution"], row["model"], row["metric"], float(row["value"]))
        for row in lines(tmp_path / "a" / "metrics.csv")
    ]
    assert found == expected
    assert lines(tmp_path / "a" / "merges.csv")[0] == {
        "round": "1", "merge": "0", "leader": "basel", "contributors": "basel;hungarian", "left_out": "va",
        "reason": "late",
    }  # fmt: skip
    assert lines(tmp_path / "a" / "events.csv")[0] == {
        "round": "1", "event": "lost", "institution": "basel", "detail": "from hungarian",
    }  # fmt: skip
    assert [row["src"] for row in lines(tmp_path / "a" / "ledger.csv")[:4]] == ["basel", "basel", "hungarian", "va"]
    assert (tmp_path / "a" / "experiment.yaml").read_text() == "name: made-up\n"


def test_equal_runs_write_equal_bytes(tmp_path):
    write(tmp_path / "a").finish("completed")
    write(tmp_path / "b").finish("completed")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_killed_run_leaves_whole_lines(tmp_path):
    folder = write(tmp_path / "a")  # as if killed here: nothing is closed
    assert len(lines(tmp_path / "a" / "timing.csv")) == 6
    assert (tmp_path / "a" / "metrics.csv").read_bytes().endswith(b"\n")
    folder.close()


@pytest.mark.parametrize("half", [b"", b"4", b"5,,te", b'3,,"ba'])
def test_resumed_equals_uninterrupted(tmp_path, half):
    write(tmp_path / "a").finish("completed")
    write(tmp_path / "b", rounds=4).close()
    for name in TABLES:
        with open(tmp_path / "b" / f"{name}.csv", "ab") as file:
            file.write(half)
    folder = RunFolder.reopen(tmp_path / "b", after=2)
    assert folder.wall_seconds == 3 * 0.75
    for t in (3, 4, 5):
        folder.record(report(t))
    folder.finish("completed")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert (tmp_path / "a" / "summary.json").read_bytes() == (tmp_path / "b" / "summary.json").read_bytes()


def test_reopen_needs_a_run(tmp_path):
    with pytest.raises(InputError, match=r"manifest\.json"):
        RunFolder.reopen(tmp_path, after=0)


def test_manifest_tells_how_it_ended(tmp_path):
    folder = write(tmp_path / "a")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert manifest["status"] == "running"
    assert manifest["name"] == "made-up"
    assert manifest["versions"].keys() == {"python", "swarmsim", "torch", "ray", "numpy"}
    folder.finish("diverged", "institution va, round 5: NaN in 0.weight")
    manifest = json.loads((tmp_path / "a" / "manifest.json").read_text())
    assert (manifest["status"], manifest["cause"]) == ("diverged", "institution va, round 5: NaN in 0.weight")
    with pytest.raises(ValueError, match="'done'"):
        write(tmp_path / "b").finish("done")


def test_a_part_of_the_time_that_appears_later_gets_a_column(tmp_path):
    folder = write(tmp_path / "a", rounds=1)
    folder.record(replace(report(2), wall={"checkpoint": 1.0}))
    rows = lines(tmp_path / "a" / "timing.csv")
    assert rows[0] == {
        "round": "0", "wall_seconds": "0.75", "train_seconds": "0.25", "evaluate_seconds": "0.5",
        "checkpoint_seconds": "",
    }  # fmt: skip
    assert rows[2]["wall_seconds"] == rows[2]["checkpoint_seconds"] == "1.0"
    folder.close()


def test_a_used_folder_is_refused(tmp_path):
    write(tmp_path / "a").finish("completed")
    with pytest.raises(InputError, match="--force"):
        write(tmp_path / "a")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a folder"):
        write(tmp_path / "file", force=True)


def test_force_removes_what_a_run_wrote_and_nothing_else(tmp_path):
    root = tmp_path / "a"
    write(root).finish("completed")
    write(root / "dpsgd").finish("completed")
    mine = [
        "notes.txt",
        "data/metrics.csv",
        "checkpoints/mine.pt",
        "model/readme",
        "dpsgd/notes.txt",
        "old/manifest.txt",
    ]
    gone = ["events.out.tfevents.1", "va/events.out.tfevents.1", "model/rows.safetensors", "model/layout.json",
            "checkpoints/round-00000001.ckpt", "partition.npz", "dpsgd/va/events.out.tfevents.2"]  # fmt: skip
    for name in (*mine, *gone):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "linked").symlink_to(tmp_path)
    write(root, rounds=0, force=True).finish("completed")
    assert all((root / name).exists() for name in mine)
    assert not any((root / name).exists() for name in (*gone, "dpsgd/metrics.csv", "va"))
    assert len(lines(root / "timing.csv")) == 1


def test_summary(tmp_path):
    summary = write(tmp_path / "a").finish("completed")
    assert json.loads((tmp_path / "a" / "summary.json").read_text()) == summary
    auroc = summary["scores"]["local"]["test"]["auroc"]
    assert auroc["per_institution"] == pytest.approx(dict(zip(NAMES, (0.55, 0.65, 0.75), strict=True)))
    assert auroc["mean"] == auroc["final"] == auroc["best"] == pytest.approx(0.65)
    assert (auroc["worst"], auroc["best_round"]) == (pytest.approx(0.55), 5)
    assert summary["scores"]["local"]["test"]["loss"]["best"] == pytest.approx(1 / 6)
    pooled = summary["scores"]["merged"]["pooled"]["auroc"]
    assert (pooled["mean"], pooled["worst"], pooled["best_round"], pooled["per_institution"]) == (0.8, 0.8, 0, {})
    assert (summary["rounds"], summary["messages"], summary["bytes"]) == (5, 15, 5 * 3003)
    assert summary["eval_bytes"] == summary["bytes_by_kind"]["eval_weights"] == 35
    assert summary["wall_seconds"] == 6 * 0.75
    assert summary["simulated_seconds"] is None


def test_summary_of_values_that_are_not_finite(tmp_path):
    folder = RunFolder.create(tmp_path / "a", "", FACTS)
    for t, values in enumerate([(1.0, 3.0), (float("nan"), 5.0), (float("inf"), float("nan"))]):
        scores = tuple(Score("test", name, "local", "loss", v) for name, v in zip("ab", values, strict=True))
        folder.record(replace(report(t), scores=scores, seconds=2.5 * t))
    loss = folder.finish("diverged")["scores"]["local"]["test"]["loss"]
    assert (loss["mean"], loss["final"], loss["best"], loss["best_round"]) == (None, None, 2.0, 0)
    assert loss["per_institution"] == {"a": None, "b": None}
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["simulated_seconds"] == 5.0
