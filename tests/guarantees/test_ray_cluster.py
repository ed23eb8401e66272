"""A cluster of two machines, on one: the same bits, hosts where they are wanted, and one machine lost on the way."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from swarmsim.cli import main
from tests.guarantees.runs import experiment

pytestmark = pytest.mark.slow  # a cluster of its own, and six times fresh actors: half a minute, or more

SAME = ("metrics.csv", "ledger.csv", "merges.csv", "events.csv", "model/rows.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="module")
def seen(folder) -> dict:
    file = experiment(folder, "swarm/dpsgd", {})
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as session:
        command = [sys.executable, "-m", "tests.guarantees.two_machines", session, str(file), str(folder / "out")]
        done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=600)
    lines = done.stdout.strip().splitlines()
    assert done.returncode == 0, done.stderr
    return json.loads(lines[-1])


def test_the_command_line_writes_the_same_bytes_on_two_machines_as_inline(seen, folder):
    assert seen["run"] == 0
    assert main(["run", str(folder / "file.yaml"), "--out", str(folder / "inline")]) == 0
    for name in SAME:
        assert (folder / "out" / name).read_bytes() == (folder / "inline" / name).read_bytes()


def test_hosts_are_where_the_placement_and_their_needs_put_them(seen):
    assert seen["spread"] == [1, 1]
    assert seen["pack"] == [2, 0]
    assert seen["half"] == [0, 2]


def test_what_does_not_fit_is_refused_before_anything_starts(seen):
    assert "4 hosts, each with scanner 1, do not fit on the cluster, which has " in seen["scanner"]
    assert "CPU 2, scanner 3; room is for 3" in seen["scanner"]
    assert "4 hosts, each with GPU 0.5, do not fit" in seen["gpus"]


def test_a_host_that_stands_still_on_another_machine_is_seen_from_there(seen):
    assert "host 1 (institution-1) died in rounds 1 to 4: for " in seen["stopped"]
    assert "it has neither answered nor computed" in seen["stopped"]


def test_a_machine_lost_on_the_way_is_noticed_and_the_rest_computes_the_same_bits(seen):
    """The bits are compared there, after the loss."""
    assert "died in rounds 3 to 4: " in seen["lost"]
    assert seen["seconds"] < 30
