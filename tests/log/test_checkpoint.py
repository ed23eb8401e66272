"""Checkpoints come back bit for bit, or are noticed to be damaged."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.log.checkpoint import load_latest, save
from swarmsim.log.model import load_models, save_models
from swarmsim.types import SwarmsimError

BASE = torch.arange(12, dtype=torch.float32).view(3, 4)
TENSORS = {
    "float32": torch.tensor([0.1, -0.0, float("nan"), float("inf"), 1e-45]),
    "float64": torch.rand(3, 5, dtype=torch.float64),
    "int64": torch.tensor([-(2**63), 2**63 - 1]),
    "scalar": torch.tensor(3.5),
    "empty": torch.zeros(0, 4),
    "whole": BASE,
    "row of whole": BASE[1],
    "transposed": BASE.T,
    "needs grad": torch.ones(2, requires_grad=True),
}
META = {"seconds": 0.1, "names": ["basel", "va"], "queue": [[1, None], {"a": True}]}


def bits(tensor):
    return tensor.dtype, tuple(tensor.shape), tensor.detach().contiguous().numpy().tobytes()


def test_round_trip_is_exact(tmp_path):
    save(tmp_path / "c", 7, TENSORS, META, keep=2)
    found = load_latest(tmp_path / "c")
    assert (found.round, found.meta, found.damaged) == (7, META, ())
    assert {k: bits(v) for k, v in found.tensors.items()} == {k: bits(v) for k, v in TENSORS.items()}
    found.tensors["whole"].add_(1)  # loaded tensors can be written to


def test_nothing_to_load(tmp_path):
    assert load_latest(tmp_path / "absent") is None


def test_only_the_newest_are_kept(tmp_path):
    (tmp_path / "round-notes.ckpt").touch()
    for t in (1, 2, 10, 9):
        save(tmp_path, t, TENSORS, META, keep=2)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "round-00000009.ckpt",
        "round-00000010.ckpt",
        "round-notes.ckpt",
    ]
    assert load_latest(tmp_path).round == 10
    with pytest.raises(ValueError, match="keep"):
        save(tmp_path, 1, {}, {}, keep=0)


def test_every_flipped_bit_is_noticed(tmp_path):
    path = save(tmp_path, 1, {"x": torch.rand(50)}, META, keep=1)
    good = path.read_bytes()
    random = np.random.default_rng(0)
    for place in (*range(70), *random.integers(0, len(good), 300)):
        bad = bytearray(good)
        bad[place] ^= 1 << int(random.integers(8))
        path.write_bytes(bad)
        with pytest.raises(SwarmsimError, match="every checkpoint fails"):
            load_latest(tmp_path)


@pytest.mark.parametrize("length", [0, 5, 22, 40, 54, 60, 100, -1])
def test_truncated_file_falls_back_to_the_one_before(tmp_path, length):
    save(tmp_path, 1, TENSORS, META, keep=2)
    path = save(tmp_path, 2, TENSORS, META, keep=2)
    path.write_bytes(path.read_bytes()[:length])
    found = load_latest(tmp_path)
    assert (found.round, found.damaged) == (1, (path,))


def test_a_crash_while_writing_leaves_the_one_before(tmp_path, monkeypatch):
    save(tmp_path, 1, TENSORS, META, keep=2)
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 2, TENSORS, META, keep=2)
    assert load_latest(tmp_path).round == 1


def test_models(tmp_path):
    layout = [{"row": "params", "name": "0.weight", "shape": [2, 2], "offset": 0}]
    rows = {"params": BASE, "buffers": BASE[:, :2], "counters": torch.zeros(3, 0, dtype=torch.int64)}
    save_models(tmp_path, rows, layout, {"bottom": {"basel": BASE[0, :2]}, "trunk": {"params": BASE[1]}})
    found, layout_again, parts = load_models(tmp_path)
    assert (found.keys(), layout_again) == ({"params", "buffers"}, layout)
    assert torch.equal(found["params"], BASE)
    assert torch.equal(parts["bottom"]["basel"], BASE[0, :2])
    assert parts.keys() == {"bottom", "trunk"}
