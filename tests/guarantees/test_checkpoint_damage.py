"""A checkpoint is what was written or it is refused: bits, lengths, other formats; and resume takes the one before."""

from __future__ import annotations

import hashlib
import json
import pickle
import shutil
import time

import pytest
import torch

from swarmsim.cli import main
from swarmsim.log.checkpoint import DIGEST, MAGIC, Damaged, load_latest, read_checkpoint, save
from swarmsim.types import SwarmsimError
from tests.guarantees.looking import differences
from tests.guarantees.runs import experiment

SMALL = {"0": torch.tensor([1.5, -2.0], dtype=torch.float64), "1": torch.tensor([3])}


@pytest.fixture
def small(tmp_path):
    return save(tmp_path, 2, SMALL, {"state": {"tensor": 0}}, keep=2)


def test_every_single_bit_is_watched(small):
    """All of them, one after another; the file is no larger than it has to be."""
    good = small.read_bytes()
    assert len(good) < 500
    for bit in range(8 * len(good)):
        bad = bytearray(good)
        bad[bit // 8] ^= 1 << bit % 8
        small.write_bytes(bad)
        with pytest.raises(Damaged, match=small.name):
            read_checkpoint(small)
    small.write_bytes(good)
    assert read_checkpoint(small).round == 2


def test_every_length_is_watched(small):
    """Cut short anywhere, or with a byte too many."""
    good = small.read_bytes()
    for bad in (*(good[:length] for length in range(len(good))), good + b"\0"):
        small.write_bytes(bad)
        with pytest.raises(Damaged, match=small.name):
            read_checkpoint(small)


def signed(payload: bytes) -> bytes:
    """What somebody writes who knows the checksum."""
    return MAGIC + hashlib.sha256(payload).digest() + payload


class Bomb:
    """What a pickle does to whoever reads it."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('executed')",))


def words(value) -> bytes:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return len(text).to_bytes(8, "little") + text


FORGED = {
    "a pickle": pickle.dumps(Bomb()),
    "a pickle with a checksum": signed(pickle.dumps(Bomb())),
    "a pickle instead of JSON": signed(words(pickle.dumps(Bomb()))),
    "a pickle instead of tensors": signed(words({"round": 2, "meta": {}}) + pickle.dumps(Bomb())),
    "no JSON": signed(words(b"\xff{")),
    "deep JSON": signed(words(b"[" * 100_000)),
    "no round": signed(words({"meta": {}}) + b"\2\0\0\0\0\0\0\0{}"),
    "a list": signed(words([1])),
    "no tensors": signed(words({"round": 2, "meta": {}})),
    "more tensors than there are": signed(words({"round": 2, "meta": {}}) + (2**60).to_bytes(8, "little") + b"{}"),
    "longer words than there are": signed((2**60).to_bytes(8, "little") + b"{}"),
    "nothing": b"",
    "a checksum of nothing": signed(b""),
    "another version": MAGIC.replace(b"1", b"2") + b"\0" * DIGEST,
}


@pytest.mark.parametrize("content", FORGED.values(), ids=FORGED)
def test_nothing_else_is_a_checkpoint(small, content):
    small.write_bytes(content)
    with pytest.raises(Damaged, match=small.name):
        read_checkpoint(small)
    with pytest.raises(SwarmsimError, match=rf"every checkpoint fails its checksum \({small.name}\)"):
        load_latest(small.parent)


# ------------------------------------------------------------------------------------------- what resume does


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of five rounds with the checkpoints of rounds 2 and 4."""
    folder = tmp_path_factory.mktemp("whole")
    file = experiment(folder, "split/vanilla", {"cut": 1}, rounds=5, checkpoint={"every": 2, "keep": 2})
    assert main(["run", str(file), "--out", str(folder / "whole")]) == 0
    return folder / "whole"


@pytest.fixture
def broken_off(whole, tmp_path):
    """The same run, killed behind its last checkpoint."""
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}))
    return out


def damage(out, *rounds: int) -> None:
    for t in rounds:
        path = out / "checkpoints" / f"round-{t:08d}.ckpt"
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 4
        path.write_bytes(content)


def test_resume_goes_on_from_the_one_before_and_says_so(broken_off, whole, capfd, monkeypatch):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 5)  # TensorBoard's files are named by the second
    damage(broken_off, 4)
    assert main(["resume", str(broken_off)]) == 0
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith("round-00000004.ckpt: fails its checksum; going on from round 2 instead")
    assert [line for line in differences(broken_off, whole) if "session_end_info" not in line] == []  # never purged
    assert load_latest(broken_off / "checkpoints").damaged == ()


def test_without_a_whole_one_resume_says_which_are_damaged(broken_off, capfd):
    damage(broken_off, 2, 4)
    before = (broken_off / "metrics.csv").read_bytes()
    assert main(["resume", str(broken_off)]) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert "every checkpoint fails its checksum (round-00000004.ckpt, round-00000002.ckpt)" in line
    assert (broken_off / "metrics.csv").read_bytes() == before
