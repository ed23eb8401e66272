"""Runs from the command line whose institution misbehaves: one message with a name, a round and a cause, in time."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from swarmsim.cli import main
from tests.guarantees.runs import experiment
from tests.methods import TRAINING

pytestmark = pytest.mark.ray

PLUGIN = "tests.guarantees.misbehaving"
SAME = ("metrics.csv", "ledger.csv", "merges.csv", "events.csv", "model/rows.safetensors")


def file_of(folder: Path, rounds: dict[int, str] | None = None, **more) -> str:
    """Three institutions, four rounds, a checkpoint every two."""
    algorithm = {"use": PLUGIN, **TRAINING, "rounds": rounds or {}, **more}
    return str(experiment(folder, "swarm/dpsgd", {}, algorithm=algorithm))


def run(file: str, out: Path, *options: str) -> int:
    return main(["run", file, "--plugin", PLUGIN, "--out", str(out), *options])


def ended(folder: Path, capsys, how: str, **more) -> tuple[str, float]:
    """What a run says that ends in round 2, and the seconds since the misbehaviour, or in all."""
    file, began = file_of(folder, {2: how}, **more), time.time()
    assert run(file, folder / "out", "--runtime", "ray") == 1
    began = float(Path(f"{more['marker']}2").read_text()) if more else began
    seconds, said = time.time() - began, capsys.readouterr().err
    manifest = json.loads((folder / "out/manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert manifest["cause"] in said
    return said, seconds


def test_an_exception_is_one_message_and_its_traceback_lies_in_the_run_folder(tmp_path, capsys, ray_session):
    said, _ = ended(tmp_path, capsys, "raises")
    assert "institution-1 (host 1) failed in round 2: ZeroDivisionError: no patients today" in said
    assert "Traceback" not in said
    [crash] = (tmp_path / "out").glob("swarmsim-crash-*.txt")
    assert "ZeroDivisionError: no patients today" in crash.read_text()
    assert "misbehaving.py" in crash.read_text()


def test_a_host_killed_within_a_message_changes_no_byte_of_what_is_written(tmp_path, capsys, ray_session):
    calm, storm = file_of(tmp_path), tmp_path / "storm"
    assert run(calm, tmp_path / "calm") == 0
    storm.mkdir()
    died = file_of(storm, {3: "during"}, marker=str(storm / "died"))
    assert run(died, storm / "out", "--runtime", "ray") == 0
    assert "host 1 (institution-1) died in rounds 3 to 4: " in capsys.readouterr().err
    for name in SAME:
        assert (storm / "out" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


SLOW = {
    "sleeps": "institution-1 is stuck in round 2: for 20 s it has computed nothing and waited for no other host",
    "leaves": "institution-1 (host 1) failed in round 2: SystemExit: enough",
    "hungers": "institution-1 (host 1) failed in round 2: out of memory: MemoryError",
    "exits": "host 1 (institution-1) died in rounds 1 to 2: its process was killed, ended itself or ran out of memory",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", SLOW)
def test_whatever_an_institution_does_there_is_an_end_with_a_cause_within_30_seconds(
    how, tmp_path, capsys, ray_session
):
    """With the patience that users have. Who exits is computed again three times first, on fresh actors."""
    again = how == "exits"
    said, seconds = ended(tmp_path, capsys, how, **({} if again else {"marker": str(tmp_path / "began")}))
    assert SLOW[how] in said
    assert "Traceback" not in said
    assert seconds < (120 if again else 30)
