"""The dry run is the run: every message, every byte and every second that a plan tells is that of the run it plans."""

from __future__ import annotations

import csv
import json
import time
from collections import Counter
from pathlib import Path

import pytest

from swarmsim.cli import main
from swarmsim.experiment import read
from swarmsim.log.files import read_json
from swarmsim.plan import courses, plan
from swarmsim.plan_words import render
from swarmsim.study import run_study
from swarmsim.types import InputError, Traffic

ROOT = Path(__file__).parents[1]
SHARED = """
name: planned
seed: 3
rounds: 6
data: {use: heart_disease}
partition: {use: natural, column: hospital}
model: {use: mlp, hidden: [8]}
task: {use: classification}
runtime: {use: inline}
evaluate: {every: 4}
network: {preset: hospital_dsl, spread: 0.5, jitter: 0.3}
pace: {device: edge, spread: 0.5, jitter: 0.2}
"""
METHODS = {
    "faulty leader merge": """
algorithm: {use: swarm/leader_merge, lr: 0.1, batch: 32, local_steps: 3, wait: 0.01, min_peers: 2, leader: random}
faults:
  churn: {use: markov, mean_up: 3, mean_down: 2}
  straggling: {probability: 0.4, factor: 30}
  link_loss: {use: independent, probability: 0.2}
  duplication: 0.2
""",
    "asynchronous": """
algorithm: {use: swarm/async_dpsgd, lr: 0.1, batch: 32, local_steps: 2, max_delay: 2}
topology: {use: ring}
faults: {delay: {use: uniform, most: 2}}
""",
    "random": """
algorithm: {use: swarm/epidemic, lr: 0.1, batch: 32, local_steps: 2, fanout: 1}
faults: {participation: 0.7}
""",
    "split in random order": "algorithm: {use: split/vanilla, lr: 0.1, batch: 64, cut: 1, serving: random}",
    "a swarm at last": "algorithm: {use: swarm/late_merge, lr: 0.1, batch: 64, from_round: 3}\ntopology: {use: ring}",
}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def written(tmp_path, text):
    path = tmp_path / "file.yaml"
    path.write_text(SHARED + text)
    return path


def rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))[1:]


def is_the_run(course, folder):
    """Every line of the ledger, the seconds of every evaluated round, FLOPs, idle time and causes, exactly."""
    assert [list(map(str, line)) for line in course.ledger()] == rows(folder / "ledger.csv")
    seconds = {int(row[0]): row[1] for row in rows(folder / "metrics.csv")}
    moments = [0.0, *course.account.clock.moments]
    assert seconds == {t: str(moments[t]) for t in seconds}
    assert max(seconds) == course.job.rounds == len(course.seconds)
    summary = read_json(folder / "summary.json")
    assert summary["simulated_seconds"] == course.account.seconds == summary["clock"]["seconds"]
    assert summary["clock"] == course.account.summary()
    assert summary["flops"] == course.account.totals[-1]


@pytest.mark.parametrize("name", METHODS)
def test_the_plan_is_the_run(name, tmp_path):
    path = written(tmp_path, METHODS[name])
    run_study(read(path), tmp_path / "out")
    (course,) = courses(read(path))
    is_the_run(course, tmp_path / "out")
    (course,) = courses(read(path))
    (report,) = plan(read(path), [course])["methods"]
    summary = read_json(tmp_path / "out" / "summary.json")
    assert (report["messages"], report["bytes"]) == (summary["messages"], summary["bytes"])
    assert report["bytes_by_kind"] | report["evaluation"]["bytes_by_kind"] == summary["bytes_by_kind"]
    assert report["merges"] == summary.get("merges", {})
    assert report["events"] == Counter(row[1] for row in rows(tmp_path / "out" / "events.csv"))
    assert sum(report["last"].values()) <= report["rounds"]


def test_the_quickstart_is_as_planned(tmp_path):
    changes = ["rounds=4", "runtime={use: inline}"]
    run_study(read("experiments/quickstart.yaml", changes), tmp_path / "out")
    for course in courses(read("experiments/quickstart.yaml", changes)):
        is_the_run(course, tmp_path / "out" / course.experiment.label)


def test_the_report_adds_up(tmp_path):
    """Pairs, participants and kinds are three ways to cut the same bytes; rounds add up to the whole."""
    (course,) = courses(read(written(tmp_path, METHODS["faulty leader merge"])))
    (report,) = plan(read(written(tmp_path, METHODS["faulty leader merge"])), [course])["methods"]
    assert sum(size for _, _, size in report["matrix"]) == report["bytes"] == sum(report["bytes_by_kind"].values())
    assert sum(report["sent"].values()) == sum(report["received"].values()) == report["bytes"]
    assert sum(report["flops_by_participant"].values()) == report["flops"]
    assert sum(course.seconds) == pytest.approx(report["seconds"])
    assert report["round_seconds"]["min"] <= report["round_seconds"]["median"] <= report["round_seconds"]["max"]
    assert report["round_seconds"]["first"] == course.seconds[0]
    assert any(kind.startswith("lost_") for kind in report["bytes_by_kind"])
    assert {each["factor"] for each in report["stragglers"].values()} == {30.0}
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_nothing_is_sent_where_nobody_sends(tmp_path):
    (report,) = plan(read(written(tmp_path, "algorithm: {use: baseline/local, lr: 0.1}")))["methods"]
    assert (report["messages"], report["bytes"], report["matrix"], report["stragglers"]) == (0, 0, [], {})
    assert report["seconds"] > 0


def test_a_plan_in_words(tmp_path, capsys):
    path = written(tmp_path, METHODS["faulty leader merge"])
    assert main(["plan", str(path), "--timeline", str(tmp_path / "timeline.json")]) == 0
    said = capsys.readouterr().out
    for word in ("in 6 rounds; a round takes", "of the time is", "left out", "straggles", "lost", "copies", "from / to",
                 "events", "FLOP/s"):  # fmt: skip
        assert word in said
    assert read_json(tmp_path / "timeline.json")["traceEvents"]
    assert main(["plan", str(path), "--timeline", str(tmp_path / "no" / "where.json")]) == 2
    assert "--timeline" in capsys.readouterr().err


def test_methods_are_compared(tmp_path, capsys):
    """And stand in one timeline, which is written to where a link leads, and does not take its place."""
    (tmp_path / "link").symlink_to(tmp_path / "file.json")
    arguments = ["--set", "rounds=2", "--timeline", str(tmp_path / "link")]
    assert main(["plan", "experiments/quickstart.yaml", *arguments]) == 0
    said = capsys.readouterr().out
    assert "\nall methods\n" in said
    assert said.count("split-u_shaped") == 2
    assert (tmp_path / "link").is_symlink()
    named = {event.get("args", {}).get("name") for event in read_json(tmp_path / "file.json")["traceEvents"]}
    assert {"swarm-dpsgd: Cleveland", "split-u_shaped: server"} < named


def test_of_many_participants_the_extreme_ones_are_shown(tmp_path):
    changes = ["partition={use: iid}", "institutions=40"]
    study = read(written(tmp_path, "algorithm: {use: swarm/dpsgd, lr: 0.1, batch: 8}\ntopology: {use: ring}"), changes)
    said = render(plan(study)).splitlines()
    assert len(said) < 40
    assert "  most is sent between these of 80 pairs" in said


def test_a_model_that_cannot_be_rehearsed_is_refused(tmp_path, monkeypatch):
    def nothing_is_known(self):
        raise RuntimeError("no content")

    monkeypatch.setattr("swarmsim.runtime.rehearsal.Rehearsals.next", nothing_is_known)
    with pytest.raises(InputError, match="nothing to plan with"):
        courses(read(written(tmp_path, METHODS["random"])))


def test_an_unknown_target_is_refused_before_training(tmp_path, capsys):
    path = written(tmp_path, "algorithm: {use: baseline/local, lr: 0.1}")
    assert main(["run", str(path), "--out", str(tmp_path / "out"), "--set", "evaluate.targets={auc: 0.9}"]) == 2
    assert "'auc' is not measured here; metrics of task classification: loss, accuracy" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_the_quickstart_is_planned_in_seconds():
    """Of this process; the promise is 5 s on an idle machine, with the start of Python."""
    began = time.process_time()
    plan(read("experiments/quickstart.yaml"))
    assert time.process_time() - began < 10


def test_lines_of_the_ledger_are_numbered_by_their_round(tmp_path):
    (course,) = courses(read(written(tmp_path, METHODS["split in random order"])))
    lines = list(course.ledger())
    assert all(isinstance(line, Traffic) for line in lines)
    assert [line.round for line in lines] == sorted(line.round for line in lines)
    assert {line.round for line in lines if line.kind.startswith("eval_")} == {0, 4, 6}
