"""Every method says what it does under every key of `faults`, and does it where a user can see it; or it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from swarmsim.assemble import assemble, federation_of
from swarmsim.experiment import read
from swarmsim.run import rounds
from swarmsim.runtime.driver import Inline
from swarmsim.schedule.faults import Faults
from swarmsim.types import InputError
from tests.guarantees.storms import PRESETS, down
from tests.methods import VARIANTS, names_on_disk

SIZES = {"institution-0": 12, "institution-1": 8, "institution-2": 9}
AWAY = {"down": [down(1, 2, 3)]}
WRITTEN = {  # every key as it changes something, and what is there already
    "participation": ({"participation": 0.5}, {}),
    "churn": ({"churn": {"use": "trace", "rows": {"institution-0": [1, 0, 1]}}}, {}),
    "down": (AWAY, {}),
    "quorum": ({"quorum": {"min": 3}}, AWAY),
    "stragglers": ({"stragglers": [{"institution": "institution-0", "factor": 5}]}, {}),
    "straggling": ({"straggling": {"probability": 1, "factor": 3}}, {}),
    "link_loss": ({"link_loss": {"use": "independent", "probability": 0.5}}, {}),
    "partitions": ({"partitions": [{"groups": [["institution-0"]]}]}, {}),
    "lost_weight": ({"lost_weight": "sender"}, {}),
    "delay": ({"delay": {"use": "uniform", "most": 1}}, {}),
    "duplication": ({"duplication": 1.0}, {}),
    "reordering": ({"reordering": {"probability": 1, "seconds": 50}}, {}),
}
METHODS = names_on_disk()
every_method = pytest.mark.parametrize("name", METHODS)


def test_every_key_is_tried():
    assert set(WRITTEN) == set(Faults.model_fields)


@every_method
def test_a_method_says_something_about_every_key(name):
    kind = METHODS[name]
    assert not set(kind.under) & set(kind.refuses)
    assert set(kind.under) | set(kind.refuses) == set(Faults.model_fields)
    assert kind.obeys == tuple(kind.under)
    assert all(len(words) >= 20 and not words.endswith(".") for words in (*kind.under.values(), *kind.refuses.values()))


@every_method
def test_what_a_server_that_is_down_means_is_said_where_there_is_one(name):
    kind = METHODS[name]
    assert ("a server that is down" in kind.under.get("down", "")) == hasattr(kind, "servers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    path, rng = tmp_path_factory.mktemp("declared"), np.random.default_rng(0)
    lines = ["clinic,x,y,z,ill"]
    for clinic, size in SIZES.items():
        for k in range(size):
            values = [f"{value + k % 2:.4f}" for value in rng.normal(size=3)]
            lines.append(",".join([clinic, *values, ["no", "yes"][k % 2]]))
    (path / "patients.csv").write_text("\n".join(lines) + "\n")
    return path


def wrote(folder: Path, name: str, faults: dict) -> Path:
    """The experiment of a method under some faults; JSON is YAML."""
    vertical = name == "split/vertical"
    blocks = {f"institution-{i}": [column] for i, column in enumerate("xyz")}
    partition = {"use": "vertical", "blocks": blocks, "labels": "institution-2"}
    whole = {
        "name": "declared", "rounds": 3, "evaluate": {"every": 3},
        "data": {"use": "csv", "path": str(folder / "patients.csv"), "target": "ill", "site": "clinic"},
        "partition": partition if vertical else {"use": "natural", "column": "clinic"},
        "model": {"use": "multimodal", "missing": "zero"} if vertical else {"use": "mlp", "hidden": [4, 3]},
        "task": {"use": "classification"}, "runtime": {"use": "inline", "dtype": "float64"},
        "algorithm": {"use": name, "lr": 0.1, "batch": 8, **VARIANTS[name][0]},
        "topology": {"use": "path"} if getattr(METHODS[name], "mixes", False) else None, "faults": faults or None,
    }  # fmt: skip
    path = folder / "experiment.yaml"
    path.write_text(json.dumps(whole))
    return path


def shown(path: Path) -> list:
    """What a user sees of a run: events, merges, messages, scores and simulated seconds, round by round."""
    experiment = read(path).methods[0]
    federation = federation_of(experiment)
    job, timetable = assemble(experiment, federation, 1)
    with Inline() as runtime:
        runtime.start(job)
        reports = [timetable.on(report) for report in rounds(runtime, job, federation, 3, 3)]
    return [(each.events, each.merges, each.traffic, each.scores, each.seconds) for each in reports]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in PRESETS else ()) for name in METHODS]
)
def test_a_fault_is_seen_or_refused(name, folder):
    always = {"lost_weight": "sender"} if name == "swarm/push_sum" else {}
    calm: dict[str, list] = {}
    for key, (written, before) in WRITTEN.items():
        path = wrote(folder, name, {**always, **before, **written})
        if key == "lost_weight":
            _lost_weight(name, folder)
        elif key in METHODS[name].obeys:
            found, known = shown(path), json.dumps(before)
            if known not in calm:
                calm[known] = shown(wrote(folder, name, {**always, **before}))
            assert found != calm[known], key
        else:
            label = name.replace("/", "-")
            reason = METHODS[name].refuses[key]
            with pytest.raises(InputError, match=f"faults: {label} is not affected by .*{key}; it obeys .*{reason}"):
                shown(path)


def _lost_weight(name: str, folder: Path) -> None:
    """Where it says something it is one of two values; the other is refused."""
    written = {"participation": 0.5} if "participation" in METHODS[name].obeys else {}
    if name == "swarm/push_sum":
        assert shown(wrote(folder, name, {**written, "lost_weight": "sender"}))
        with pytest.raises(InputError, match="lost_weight: self keeps the sums of the rows"):
            shown(wrote(folder, name, written))
        return
    with pytest.raises(InputError, match="lost_weight"):
        shown(wrote(folder, name, {**written, "lost_weight": "sender"}))
