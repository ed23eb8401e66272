from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from swarmsim.data.federate import federate
from swarmsim.data.image_folder import ImageFolder
from swarmsim.data.medmnist import Medmnist
from swarmsim.partition.iid import Iid
from swarmsim.types import InputError
from tests.data.examples import shared


def picture(file, value, mode="L", size=(6, 9)):
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(file)


def test_folders_of_classes(tmp_path):
    picture(tmp_path / "well" / "1.png", 255)
    picture(tmp_path / "ill" / "a.png", 51)
    picture(tmp_path / "ill" / ".hidden.png", 0)
    (tmp_path / "ill" / "notes.txt").write_text("no image")
    data = ImageFolder(path=str(tmp_path), size=8).load(None, 0)
    assert data.features.shape == (2, 1, 8, 8)
    assert data.classes == ("ill", "well")
    assert data.targets.tolist() == [0, 1]
    assert data.features.mean((1, 2, 3)).tolist() == pytest.approx([0.2, 1.0])


def test_folders_of_sites_colour_and_sixteen_bits(tmp_path):
    picture(tmp_path / "north" / "ill" / "1.png", (255, 0, 51), mode="RGB")
    picture(tmp_path / "south" / "well" / "1.png", 65535, mode="I;16")
    data = ImageFolder(path=str(tmp_path), size=4, sites=True, grayscale=False).load(None, 0)
    assert data.columns["site"].tolist() == ["north", "south"]
    assert data.features.shape == (2, 3, 4, 4)
    assert data.features[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0.2])
    assert data.features[1].min() == pytest.approx(1)


def test_image_errors(tmp_path):
    picture(tmp_path / "one" / "1.png", 0)
    with pytest.raises(InputError, match="1 images in 1 classes"):
        ImageFolder(path=str(tmp_path)).load(None, 0)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "torn.png").write_bytes(b"\x89PNG")
    with pytest.raises(InputError, match=r"torn\.png cannot be read"):
        ImageFolder(path=str(tmp_path)).load(None, 0)


def medmnist_file(file, shape=(8, 8)):
    rng = np.random.default_rng(0)
    sizes = {"train": 20, "val": 10, "test": 5}
    arrays = {f"{part}_images": rng.integers(0, 256, (n, *shape)).astype(np.uint8) for part, n in sizes.items()}
    arrays |= {f"{part}_labels": (np.arange(n) % 2).astype(np.uint8)[:, None] for part, n in sizes.items()}
    np.savez(file, **arrays)
    return arrays


@pytest.mark.parametrize(("shape", "seen"), [((8, 8), (1, 8, 8)), ((8, 8, 3), (3, 8, 8)), ((8, 8, 8), (1, 8, 8, 8))])
def test_medmnist_layouts(tmp_path, shape, seen):
    arrays = medmnist_file(tmp_path / "m.npz", shape)
    data = Medmnist(path=str(tmp_path / "m.npz")).load(None, 0)
    assert data.features.shape == (30, *seen)
    assert data.external.features.shape == (5, *seen)
    assert data.features.flags["C_CONTIGUOUS"]
    assert data.features[0, 0].flat[0] == np.float32(arrays["train_images"].reshape(20, -1)[0, 0] / 255)


def test_medmnist_copies_are_noted(tmp_path):
    arrays = medmnist_file(tmp_path / "m.npz")
    arrays["val_images"][0] = arrays["test_images"][0] = arrays["train_images"][0]
    np.savez(tmp_path / "m.npz", **arrays)
    notes = Medmnist(path=str(tmp_path / "m.npz")).load(None, 0).notes
    assert [note.split()[1] for note in notes] == ["1", "1"]


def test_medmnist_arguments():
    for arguments in ({}, {"path": "a", "name": "b"}, {"path": "a", "size": 64}, {"path": "a", "download": True}):
        with pytest.raises(ValidationError):
            Medmnist(**arguments)


def test_medmnist_by_name_fetches_only_when_told(tmp_path, monkeypatch):
    fetched = []

    class PneumoniaMNIST:
        def __init__(self, split, size, download, root):
            fetched.append((split, size, download))
            medmnist_file(tmp_path / f"pneumoniamnist_{size}.npz")

    package = SimpleNamespace(
        INFO={"pneumoniamnist": {"python_class": "PneumoniaMNIST"}},
        info=SimpleNamespace(DEFAULT_ROOT=str(tmp_path)),
        PneumoniaMNIST=PneumoniaMNIST,
    )
    monkeypatch.setitem(sys.modules, "medmnist", package)
    with pytest.raises(InputError, match="did you mean 'pneumoniamnist'"):
        Medmnist(name="pneumonia-mnist").load(None, 0)
    with pytest.raises(InputError, match="download: true"):
        Medmnist(name="pneumoniamnist", size=64).load(None, 0)
    assert fetched == []
    assert len(Medmnist(name="pneumoniamnist", size=64, download=True).load(None, 0).targets) == 30
    assert fetched == [("train", 64, True)]
    assert len(Medmnist(name="pneumoniamnist", size=64).load(None, 0).targets) == 30  # there now: nothing to fetch
    monkeypatch.setitem(sys.modules, "medmnist", None)
    with pytest.raises(InputError, match="pip install medmnist"):
        Medmnist(name="pneumoniamnist").load(None, 0)


def test_medmnist_refuses_other_arrays(tmp_path):
    arrays = medmnist_file(tmp_path / "m.npz")
    np.savez(tmp_path / "m.npz", **arrays | {"train_labels": np.zeros((20, 14), np.uint8)} | {
        f"{part}_labels": np.zeros((n, 14), np.uint8) for part, n in (("val", 10), ("test", 5))
    })  # fmt: skip
    with pytest.raises(InputError, match="one class per example"):
        Medmnist(path=str(tmp_path / "m.npz")).load(None, 0)
    np.savez(tmp_path / "m.npz", **arrays | {"train_images": arrays["train_images"].astype(np.float32)})
    with pytest.raises(InputError, match="uint8"):
        Medmnist(path=str(tmp_path / "m.npz")).load(None, 0)


def test_pneumonia_file():
    federation = federate(Medmnist(path=shared("pneumoniamnist_28.npz")), Iid(), 8, 0)
    assert sum(len(part) for shard in federation.shards for part in (shard.train, shard.validation, shard.test)) == 5231
    assert federation.external.x.shape == (624, 1, 28, 28)
    assert np.concatenate([shard.train.x for shard in federation.shards]).mean() == pytest.approx(0, abs=1e-4)
