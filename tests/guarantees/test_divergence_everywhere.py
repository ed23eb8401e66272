"""A run that diverges stops in the round it happens, names who and what, and leaves everything before it recorded."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from swarmsim.cli import main
from swarmsim.log.files import read_json
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.host import Diverged, Host
from tests.guarantees.runs import ALL, experiment
from tests.jobs import blobs
from tests.methods import VARIANTS, small_job

WORDS = re.compile(r"diverged in round (\d+): (\S+) has a NaN or an infinity in (.+?)\. A smaller lr")


def explode(folder: Path, name: str, arguments: dict, capsys, *options: str) -> tuple[int, str, str]:
    """(round, who, what) of a run that diverges; its exit code, its words and its manifest agree."""
    sections = {"rounds": 8, "evaluate": {"every": 4}, "checkpoint": {"every": 4}}
    file = experiment(folder, name, {**arguments, "lr": 1e30}, **sections)
    code = main(["run", str(file), "--out", str(folder / "out"), *options])
    said = capsys.readouterr().err
    assert code == 3, said
    manifest = read_json(folder / "out" / "manifest.json")
    assert manifest["status"] == "diverged"
    assert manifest["cause"] in said
    assert "Traceback" not in said
    (found,) = WORDS.findall(said)
    return int(found[0]), found[1], found[2]


def recorded(folder: Path) -> list[int]:
    """The rounds in timing.csv."""
    with open(folder / "out" / "timing.csv", encoding="utf-8", newline="") as file:
        return [int(row["round"]) for row in csv.DictReader(file)]


FAST = range(0, len(ALL), 9)  # the others take as long again and again
CASES = [pytest.param(*case, marks=() if k in FAST else pytest.mark.slow) for k, case in enumerate(ALL)]


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_method_stops_in_that_round_and_says_who_and_what(tmp_path, capsys, monkeypatch, name, arguments):
    computed = []
    compute = Host._round
    monkeypatch.setattr(Host, "_round", lambda host, t: computed.append(t + 1) or compute(host, t))
    monkeypatch.setattr("swarmsim.log.tensorboard.Board._draw_topology", lambda board: None)
    round_, who, what = explode(tmp_path, name, arguments, capsys)
    assert computed == list(range(1, round_ + 1))  # not one round more
    assert recorded(tmp_path) == list(range(round_))  # and every one before
    assert re.fullmatch(r"institution-[0-2]|server\S*", who)
    assert re.search(r"\w+: \S|the training loss", what)


@pytest.mark.ray
@pytest.mark.parametrize("name", ["swarm/dpsgd", "split/vanilla"])
def test_ray_says_the_same(ray_hosts, name):
    work = [small_job(name, {**VARIANTS[name][0], "lr": 1e30}, rounds=6, hosts=hosts) for hosts in (1, 3)]
    with Inline() as inline:
        expected = caught(inline, work[0])
    found = caught(ray_hosts, work[1])
    assert str(found) == str(expected)
    assert [each.losses for each in found.earlier] == [each.losses for each in expected.earlier]


def caught(runtime, work) -> Diverged:
    runtime.start(work)
    with pytest.raises(Diverged) as raised:
        runtime.advance(0, work.rounds)
    return raised.value


SPREADING = ["swarm/dpsgd", "swarm/push_sum", "baseline/fedavg", "swarm/leader_merge", "split/splitfed_v1"]


@pytest.mark.parametrize("name", SPREADING)
@pytest.mark.parametrize("poisoned", [1, 2])
def test_the_institution_with_the_bad_numbers_is_named_not_its_neighbours(name, poisoned):
    """In the round in which it breaks it hands its model on: others hold no numbers either."""
    shards = blobs()
    shards[poisoned].train.x[3, 2] = np.inf
    work = small_job(name, VARIANTS[name][0], shards=shards, rounds=3)
    with Inline() as runtime:
        error = caught(runtime, work)
        broken = {who for _, who, _ in runtime._host._broken()}
    assert f"diverged in round 1: institution-{poisoned} " in str(error)
    assert len(broken) > 1 or name in ("swarm/leader_merge", "split/splitfed_v1"), broken


def test_the_rounds_before_it_have_finite_weights(tmp_path, capsys):
    """The round that is named is the first one: a run that ends before it ends well."""
    round_, _, _ = explode(tmp_path, "swarm/dpsgd", {"momentum": 0.0}, capsys)
    file = experiment(tmp_path, "swarm/dpsgd", {"momentum": 0.0, "lr": 1e30}, rounds=round_ - 1)
    assert round_ > 1
    assert main(["run", str(file), "--out", str(tmp_path / "shorter")]) == 0
    from swarmsim.log.model import load_models

    rows, _, _ = load_models(tmp_path / "shorter")
    assert all(bool(torch.isfinite(row).all()) for row in rows.values() if row.is_floating_point())
