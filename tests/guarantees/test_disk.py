"""A disk that is full or a folder that cannot be written: one clear message, and what was good before stays good."""

from __future__ import annotations

import builtins
import errno
import io
import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from swarmsim.cli import main
from swarmsim.log.checkpoint import load_latest, save
from tests.guarantees.looking import differences, unreadable
from tests.guarantees.runs import experiment
from tests.guarantees.test_checkpoint_damage import SMALL

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class FullDisk:
    """Writes of so many bytes below a folder succeed; those behind them raise, and free space again when removed."""

    def __init__(self, monkeypatch, folder: Path, room: int) -> None:
        self.folder, self.room, self.opened = str(folder), room, builtins.open
        monkeypatch.setattr(builtins, "open", self.open)
        monkeypatch.setattr(io, "open", self.open)

    def open(self, file, mode="r", *arguments, **options):
        if not str(file).startswith(self.folder) or not set(mode) & set("wax+"):
            return self.opened(file, mode, *arguments, **options)
        raw = _Raw(file, mode.replace("t", "").replace("b", ""), self)
        buffered = io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, options.get("encoding"), newline="")


class _Raw(io.FileIO):
    def __init__(self, file, mode: str, disk: FullDisk) -> None:
        super().__init__(file, mode)
        self.disk = disk

    def write(self, content) -> int:
        """As much of it as there is room for; nothing at all raises, as the operating system does it."""
        taken = min(len(content), self.disk.room)
        if content and not taken:
            raise FULL
        self.disk.room -= taken
        return super().write(memoryview(content)[:taken])


def test_a_disk_that_is_full_at_any_byte_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, 1, SMALL, {}, keep=1)
    size = (tmp_path / "round-00000001.ckpt").stat().st_size
    for room in range(size):
        with monkeypatch.context() as patch:
            FullDisk(patch, tmp_path, room)
            with pytest.raises(OSError, match="No space left"):
                save(tmp_path, 2, SMALL, {}, keep=1)
        assert [path.name for path in tmp_path.iterdir()] == ["round-00000001.ckpt"]
    assert load_latest(tmp_path).round == 1


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_so_does_one_that_fails_while_it_syncs_or_renames(tmp_path, monkeypatch, fails):
    save(tmp_path, 1, SMALL, {}, keep=1)
    monkeypatch.setattr(os, fails, raising(FULL))
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, 2, SMALL, {}, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["round-00000001.ckpt"]


def raising(error: OSError):
    def fail(*_, **__):
        raise error

    return fail


# --------------------------------------------------------------------------------------------- whole runs


def ended(out: Path, capfd) -> str:
    """The one message of a run that could not write; nothing half written looks whole."""
    said = capfd.readouterr().err
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1, said
    assert not list(out.rglob("*.tmp"))
    assert not list(out.glob("swarmsim-crash-*"))
    assert unreadable(out) == []
    return said


ROOM = (0, 900, 4000, 15_000, 30_000, 45_000)  # a whole run writes about 60,000 bytes with open()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(file, run folder) of a run that had room."""
    folder = tmp_path_factory.mktemp("whole")
    file = experiment(folder, "swarm/dpsgd", {}, rounds=6)
    assert main(["run", str(file), "--out", str(folder / "out")]) == 0
    return file, folder / "out"


@pytest.mark.parametrize("room", ROOM)
def test_a_run_on_a_full_disk_ends_with_one_message_and_goes_on_when_there_is_room(
    tmp_path, monkeypatch, capfd, whole, room
):
    (file, there), out = whole, tmp_path / "out"
    capfd.readouterr()
    with monkeypatch.context() as patch:
        FullDisk(patch, out, room)
        assert main(["run", str(file), "--out", str(out)]) == 1
    assert "No space left on device" in ended(out, capfd)
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 5)  # TensorBoard's files are named by the second
    command = ["resume", str(out)] if (out / "experiment.yaml").exists() else ["run", str(file), "--out", str(out)]
    assert main([*command, *(["--force"] if command[0] == "run" else [])]) == 0
    assert [line for line in differences(out, there) if "session_end_info" not in line] == []  # never purged


def test_the_manifest_says_why_if_it_can(tmp_path, monkeypatch, capfd):
    """Tables cannot grow any more, a small file still finds its place."""
    from swarmsim.log.table import Table

    file, out, append = experiment(tmp_path, "swarm/dpsgd", {}), tmp_path / "out", Table.append

    def full(table, rows):
        rows = list(rows)
        if rows and rows[0][0] == 3:
            raise FULL
        append(table, rows)

    monkeypatch.setattr(Table, "append", full)
    assert main(["run", str(file), "--out", str(out)]) == 1
    assert f"go on with `swarmsim resume {out}`" in ended(out, capfd)
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["status"] == "failed"
    assert "No space left on device" in manifest["cause"]
    assert load_latest(out / "checkpoints").round == 2


@pytest.mark.parametrize("name", ["checkpoints", "model"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, capfd, name, monkeypatch):
    """A file lies where a folder belongs; whoever runs the tests, and be it root."""
    file, out = experiment(tmp_path, "swarm/dpsgd", {}), tmp_path / "out"
    make = Path.mkdir

    def mkdir(path, *arguments, **options):
        if path.name == name:
            path.touch()
        make(path, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert main(["run", str(file), "--out", str(out)]) == 1
    assert f"{out / name}: cannot be written: " in ended(out, capfd)
    assert json.loads((out / "manifest.json").read_text())["status"] == "failed"


@pytest.mark.parametrize("place", ["out", "deeper/out"])
def test_a_folder_that_may_not_be_written_is_named(tmp_path, capfd, monkeypatch, place):
    out = tmp_path / place
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(out))
    monkeypatch.setattr(Path, "mkdir", raising(denied))
    assert main(["run", str(experiment(tmp_path, "swarm/dpsgd", {})), "--out", str(out)]) == 1
    assert capfd.readouterr().err == (
        f"{out}: cannot be written: Permission denied; mend that, then go on with the same command, perhaps with "
        "another --out\n"
    )


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 256 kB; only root may make one."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip("no file system of a given size can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_file_system_that_is_really_full(tmp_path, small_disk, capfd):
    file, out = experiment(tmp_path, "swarm/dpsgd", {}, rounds=400, evaluate={"every": 1}), small_disk / "out"
    assert main(["run", str(file), "--out", str(out)]) == 1
    assert "No space left on device" in ended(out, capfd)
    assert load_latest(out / "checkpoints").round >= 2
