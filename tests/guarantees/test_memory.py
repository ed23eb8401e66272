"""The memory of a run does not grow with its rounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.guarantees.runs import experiment

ROUNDS, SETTLED = 300, 130  # the first picture is behind it, which takes 5 MB for good
METHODS = [("swarm/dpsgd", {}), ("split/vanilla", {"cut": 1}), ("swarm/leader_merge", {})]
WATCHED = """
import gc, json, sys
from swarmsim.cli import main
from swarmsim.log.tensorboard import Board
from swarmsim.clock import account, clock
from tests.guarantees.test_memory import resident

account.KEPT = clock.KEPT = 100  # of 20,000: the beginning of the timeline, which is kept, is complete at once

seen, record = {}, Board.record

def measured(board, report):
    record(board, report)
    if report.round in (130, 300):
        gc.collect()
        seen[report.round] = resident()

Board.record = measured
code = main(sys.argv[1:])
print(json.dumps(seen), file=sys.stderr)
sys.exit(code)
"""


def resident() -> int:
    """Bytes of this process that lie in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(folder: Path, name: str, arguments: dict, **sections) -> float:
    """Megabytes that a run of 300 rounds gained behind the 130th, in a process of its own."""
    file = experiment(folder, name, arguments, rounds=ROUNDS, **sections)
    command = [sys.executable, "-c", WATCHED, "run", str(file), "--out", str(folder / "out")]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stderr.splitlines()[-1])
    return (seen[str(ROUNDS)] - seen[str(SETTLED)]) / 1e6


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
@pytest.mark.slow
@pytest.mark.parametrize("often", [1, ROUNDS], ids=["a checkpoint each round", "no checkpoint"])
@pytest.mark.parametrize(("name", "arguments"), METHODS, ids=[name for name, _ in METHODS])
def test_later_rounds_take_no_more_memory(tmp_path, name, arguments, often):
    sections = {"evaluate": {"every": 10}, "checkpoint": {"every": often, "keep": 1}}
    assert growth(tmp_path, name, arguments, **sections) < 4
