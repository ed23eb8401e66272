"""The seconds of a run are the same for any number of hosts, on any runtime, and after a resume."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from swarmsim.cli import main
from swarmsim.log import points
from tests.clock.clocks import clock_of, ends, faulty
from tests.guarantees.runs import experiment
from tests.jobs import identity
from tests.methods import small_job

STORMY = {
    "network": {"preset": "hospital_dsl", "spread": 0.5, "jitter": 0.5},
    "pace": {"device": "edge", "spread": 1.0, "jitter": 0.5},
    "faults": {"churn": {"use": "markov", "mean_up": 3, "mean_down": 1}, "duplication": 0.2,
               "straggling": {"probability": 0.3, "factor": 5}},
}  # fmt: skip
METHODS = [("swarm/dpsgd", {}), ("split/vanilla", {"cut": 1}), ("swarm/leader_merge", {"wait": 0.01, "late": "keep"})]


def seconds(out: Path) -> dict[int, float]:
    """Of every round in metrics.csv, as it was written."""
    with open(out / "metrics.csv", encoding="utf-8", newline="") as file:
        return {int(row["round"]): float(row["seconds"]) for row in csv.DictReader(file)}


def ran(path: Path, out: Path, *changes: str) -> dict[int, float]:
    sets = [part for change in changes for part in ("--set", change)]
    assert main(["run", str(path), "--out", str(out), *sets]) == 0
    return seconds(out)


@pytest.mark.parametrize(("name", "arguments"), METHODS)
def test_a_resumed_run_has_the_seconds_of_the_whole_one(name, arguments, tmp_path, monkeypatch):
    path = experiment(tmp_path, name, arguments, evaluate={"every": 1}, rounds=5, **STORMY)
    whole = ran(path, tmp_path / "whole")
    assert list(whole) == [0, 1, 2, 3, 4, 5]
    assert whole[0] == 0 < whole[1] <= whole[5]
    assert ran(path, tmp_path / "again") == whole
    assert ran(path, tmp_path / "other", "seed=2") != whole

    reached, seen = points.reached, []

    def stopped(point: str) -> None:
        reached(point)
        seen.append(point)
        if seen.count("round.computed") == 5:  # rounds 0..4: the last checkpoint is that of round 2
            seen.clear()
            raise KeyboardInterrupt

    monkeypatch.setattr(points, "reached", stopped)
    assert main(["run", str(path), "--out", str(tmp_path / "cut")]) == 130
    assert max(seconds(tmp_path / "cut")) == 3
    assert main(["resume", str(tmp_path / "cut")]) == 0
    assert seconds(tmp_path / "cut") == whole


@pytest.mark.parametrize(("name", "arguments"), METHODS)
def test_any_number_of_hosts_gives_the_same_seconds(name, arguments):
    found = set()
    for hosts in (1, 2, 3):
        work = faulty(small_job(name, arguments, rounds=5, hosts=hosts), STORMY["faults"], STORMY["network"])
        found.add(tuple(ends(clock_of(work, STORMY["network"], STORMY["pace"], STORMY["faults"]))))
    assert len(found) == 1


def test_packing_changes_no_second():
    packed, one = (
        ends(clock_of(small_job("swarm/dpsgd", {}, packed=way, mixing=identity(3)), STORMY["network"], STORMY["pace"]))
        for way in (True, False)
    )
    assert packed == one


@pytest.mark.slow
def test_ray_has_the_seconds_of_inline(tmp_path, ray_session):
    path = experiment(tmp_path, *METHODS[0], evaluate={"every": 1}, **STORMY)
    inline = ran(path, tmp_path / "inline")
    assert ran(path, tmp_path / "ray", "runtime.use=ray") == inline
