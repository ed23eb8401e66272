"""events.csv in a run folder says what the schedule says, fault by fault, and what happened to messages."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from swarmsim.assemble import assemble, federation_of
from swarmsim.cli import main
from swarmsim.experiment import read
from swarmsim.types import Event
from tests.guarantees.retelling import differences
from tests.guarantees.storms import down

TARGETS = [0.0, 1.0, 2.0, 3.0, 4.0]
NAMES = [f"institution-{i}" for i in range(5)]
WEATHER = {
    "churn": {"use": "markov", "mean_up": 4, "mean_down": 2}, "participation": 0.9,
    "down": [down(1, 3, 6), down(4, 8)], "quorum": {"min": 2},
    "stragglers": [{"institution": NAMES[0], "factor": 4, "from": 2, "until": 7}],
    "straggling": {"probability": 0.2, "factor": 3}, "duplication": 0.3,
    "reordering": {"probability": 0.3, "seconds": 2},
}  # fmt: skip
SERVER = {**WEATHER, "down": [*WEATHER["down"], down("server", 5, 7)]}
LINKS = {"link_loss": {"use": "independent", "probability": 0.3}}
PARTED = {"partitions": [{"groups": [NAMES[:2]], "from": 3, "until": 9}]}
STORMS = {
    "baseline/fedavg": SERVER | LINKS, "baseline/cyclic": WEATHER | LINKS, "swarm/dpsgd": WEATHER | LINKS | PARTED,
    "swarm/push_sum": WEATHER | LINKS | PARTED | {"lost_weight": "sender"}, "swarm/epidemic": WEATHER | LINKS,
    "swarm/leader_merge": {key: each for key, each in (WEATHER | LINKS | PARTED).items() if key != "quorum"},
}  # fmt: skip
GIVEN = {"swarm/epidemic": {"fanout": 1}, "swarm/leader_merge": {"min_peers": 2}}


def wrote(folder: Path, name: str, faults: dict, rounds: int = 12, **more) -> Path:
    whole = {
        "name": "events", "rounds": rounds, "data": {"use": "quadratic", "targets": TARGETS}, "model": {"use": "point"},
        "task": {"use": "quadratic"}, "evaluate": {"every": rounds}, "runtime": {"use": "inline", "dtype": "float64"},
        "algorithm": {"use": name, "lr": 0.1, **GIVEN.get(name, {}), **more.pop("algorithm", {})},
        "topology": {"use": "ring"} if name in ("swarm/dpsgd", "swarm/push_sum") else None, "faults": faults, **more,
    }  # fmt: skip
    path = folder / "experiment.yaml"
    path.write_text(json.dumps(whole))
    return path


def carried_out(path: Path) -> Path:
    """The folder of a run of that file, by the command line."""
    out = path.parent / "out"
    assert main(["run", str(path), "--out", str(out)]) == 0
    return next(out.glob("**/events.csv")).parent


def lines(folder: Path, table: str) -> list[dict[str, str]]:
    with (folder / f"{table}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", STORMS)
def test_the_table_of_events_is_the_schedule(name, tmp_path):
    path = wrote(tmp_path, name, STORMS[name])
    folder, experiment = carried_out(path), read(path).methods[0]
    job, _ = assemble(experiment, federation_of(experiment), 1)
    said = [
        Event(int(line["round"]), line["event"], line["institution"], line["detail"])
        for line in lines(folder, "events")
    ]
    assert differences(job, _calm(path, job), experiment.faults, said) == []
    counts = {(event.round, event.event): event.detail for event in said}
    ledger = lines(folder, "ledger")
    for t in range(1, 13):
        again, twice = (
            sum(int(line["messages"]) for line in ledger if line["round"] == str(t) and line["kind"].startswith(kind))
            for kind in ("lost_", "copy_")
        )
        for what, count in (("sent again", again if job.algorithm.resends else 0), ("twice", twice)):
            words = "1 message" if count == 1 else f"{count} messages"
            assert counts.get((t, what)) == (words if count else None), (t, what)
    assert {event.event for event in said} >= {"down", "up", "slow", "on pace", "twice"}


def _calm(path: Path, job) -> SimpleNamespace:
    """The schedule of the same file without faults, as far as there is a topology."""
    if not job.schedule.mixings:
        return SimpleNamespace(schedule=job.schedule)
    whole = json.loads(path.read_text())
    other = path.with_name("calm.yaml")
    other.write_text(json.dumps({**whole, "faults": None}))
    experiment = read(other).methods[0]
    return assemble(experiment, federation_of(experiment), 1)[0]


def test_a_leader_that_is_away_is_in_the_events(tmp_path):
    path = wrote(tmp_path, "swarm/leader_merge", {"down": [down(1, 2, 3)]}, rounds=3)
    found = [tuple(line.values()) for line in lines(carried_out(path), "events")]
    assert ("2", "deposed", NAMES[1], f"away; {NAMES[2]} leads") in found


def test_a_straggler_is_late_for_a_merge(tmp_path):
    """Steps of a second; the merge waits half a second for others once two are there."""
    given = {"algorithm": {"wait": 0.5, "local_steps": 1}, "pace": {"seconds_per_step": 1.0}}
    slow = {"stragglers": [{"institution": NAMES[3], "factor": 10, "from": 2, "until": 3}]}
    merges = lines(carried_out(wrote(tmp_path, "swarm/leader_merge", slow, rounds=2, **given)), "merges")
    assert [line["left_out"].split(";") for line in merges] == [[""], [NAMES[3]]]
    assert f"{NAMES[3]}: late" in merges[1]["reason"]


def test_a_straggler_costs_seconds_and_changes_no_number(tmp_path):
    seconds, losses = [], []
    for k, factor in enumerate((1, 10)):
        place = tmp_path / str(k)
        place.mkdir()
        slow = {"stragglers": [{"institution": NAMES[3], "factor": factor}]}
        path = wrote(place, "swarm/dpsgd", slow, rounds=2, pace={"seconds_per_step": 1.0})
        table = [line for line in lines(carried_out(path), "metrics") if line["round"] == "2"]
        seconds.append(float(table[0]["seconds"]))
        losses.append([line["value"] for line in table])
    assert losses[0] == losses[1]
    assert seconds[1] == pytest.approx(seconds[0] + 2 * 9, rel=0.05)
    assert np.isfinite(seconds).all()
