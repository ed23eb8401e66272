"""When targets are reached, from the tables of a run folder; what the console makes of it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO

import pytest
from rich.console import Console

from swarmsim.log.console import result_table
from swarmsim.log.run_folder import RunFolder
from swarmsim.log.targets import in_markdown, in_units, to_targets
from tests.log.reports import reports

FLOPS = [0, 10, 20, 30, 40]


@pytest.fixture
def folder(tmp_path):
    """Mean AUROC 0.6 + 0.01 t, worst 0.5 + 0.01 t, loss 1 / (1 + t); 3003 bytes and 2.5 s a round."""
    records = RunFolder.create(tmp_path / "a", "", {})
    for each in reports(4):
        records.record(replace(each, seconds=2.5 * each.round))
    yield records
    records.close()


def cost(t):
    return {"round": t, "seconds": 2.5 * t, "bytes": 3003 * t, "flops": 10 * t}


def test_mean_and_worst_are_reached_at_a_cost(folder):
    found = to_targets(folder.path, {"auroc": 0.62, "loss": 0.5, "accuracy": 0.5}, FLOPS)
    assert found == {
        "auroc": {"target": 0.62, "mean": cost(2), "worst": None},
        "loss": {"target": 0.5, "mean": cost(1), "worst": cost(1)},
        "accuracy": {"target": 0.5, "mean": None, "worst": None},
    }
    assert to_targets(folder.path, {"auroc": 0.1}, FLOPS)["auroc"]["worst"] == cost(0)


def test_without_a_clock_there_are_no_flops(folder):
    assert to_targets(folder.path, {"loss": 0.5}, None)["loss"]["mean"] == {**cost(1), "flops": None}


def test_markdown(folder):
    said = in_markdown(to_targets(folder.path, {"auroc": 0.62}, FLOPS)).splitlines()
    assert said[2:] == [
        "| auroc 0.62 | mean | round 2 | 5.0 s | 6.0 kB | 20 |",
        "| auroc 0.62 | worst | not reached | - | - | - |",
    ]


def test_the_console_compares_methods(folder):
    summary = folder.finish("completed", None, {"targets": to_targets(folder.path, {"auroc": 0.62}, FLOPS)})
    never = {**summary, "targets": to_targets(folder.path, {"auroc": 0.9}, FLOPS)}
    never["targets"]["auroc"]["target"] = 0.62
    to = Console(file=StringIO(), width=120)
    result_table({"quick": summary, "never": never}, to)
    rows = [line.split() for line in to.file.getvalue().splitlines()]
    assert ["auroc", "0.62", "mean", "quick", "round", "2", "5.0", "s", "6.0", "kB", "20"] in rows
    assert ["auroc", "0.62", "mean", "never", "not", "reached", "-", "-", "-"] in rows
    assert ["auroc", "0.62", "worst", "all", "not", "reached", "-", "-", "-"] in rows


def test_what_the_time_was_spent_on_is_said(folder):
    summary = folder.finish("completed", None, {"clock": {"words": "62 % of the time is B's uplink"}})
    to = Console(file=StringIO(), width=40)
    result_table({"swarm/dpsgd[x]": summary}, to)
    assert "  swarm/dpsgd[x]: 62 % of the time is B's uplink" in to.file.getvalue().splitlines()


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (1_234_567, "1.2 MB"), (3e18, "3,000.0 PB")]
)
def test_units(count, said):
    assert in_units(count, "B") == said
