"""MedMNIST images."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

import numpy as np
from pydantic import Field, model_validator

from swarmsim.data.paths import find, read_arrays
from swarmsim.data.source import Source
from swarmsim.data.targets import class_targets
from swarmsim.data.text import guess, listed
from swarmsim.types import Dataset, InputError

__all__ = ["Medmnist"]


class Medmnist(Source):
    """MedMNIST images, from a local .npz (`path`) or through the package medmnist (`name`).

    Images are scaled to [0, 1] and put channel first: [N, C, H, W], volumes [N, 1, D, H, W]. The official training
    and validation images become the data that institutions share; the official test images are the `external`
    part, which never trains. Nothing is downloaded unless `download: true` is written.

    Reference: Yang et al., MedMNIST v2, Scientific Data 2023.
    """

    path: str | None = Field(default=None, description="A local .npz with train_images, train_labels, val_*, test_*")
    name: str | None = Field(default=None, description="A MedMNIST data set, e.g. pneumoniamnist")
    size: int = Field(default=28, description="Height and width of the images that `name` stands for", ge=28)
    download: bool = Field(default=False, description="Whether `name` may be fetched from the network")

    @model_validator(mode="after")
    def _one_place(self) -> Medmnist:
        if (self.path is None) == (self.name is None):
            raise ValueError("write either path (a local .npz) or name (through the package medmnist)")
        if self.path is not None and self.model_fields_set & {"size", "download"}:
            raise ValueError("size and download belong to name; a file given by path is used as it is")
        return self

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """Official train, then official validation images; the official test images are external."""
        path = find(self.path) if self.path else _packaged(self.name, self.size, self.download)
        arrays = read_arrays(
            path, [f"{part}_{what}" for part in ("train", "val", "test") for what in ("images", "labels")]
        )
        _check_alike(arrays, path)
        labels = [arrays[f"{part}_labels"] for part in ("train", "val", "test")]
        targets, classes = class_targets(np.concatenate(labels), f"the labels of {path}")
        images = np.concatenate([arrays["train_images"], arrays["val_images"]])
        if len(targets) != len(images) + len(arrays["test_images"]):
            raise InputError(f"data: {path} does not hold as many labels as images")
        external = Dataset(_channels_first(arrays["test_images"], path), targets[len(images) :], classes)
        return Dataset(
            features=_channels_first(images, path),
            targets=targets[: len(images)],
            classes=classes,
            external=external,
            notes=_notes(images, arrays["test_images"]),
        )


def _check_alike(arrays: dict[str, np.ndarray], path: Path) -> None:
    """That official parts can stand one behind the other."""
    for what in ("images", "labels"):
        parts = [arrays[f"{part}_{what}"] for part in ("train", "val", "test")]
        if len({part.shape[1:] for part in parts}) > 1 or not all(part.ndim for part in parts):
            shapes = ", ".join(str(list(part.shape)) for part in parts)
            raise InputError(f"data: the {what} of {path} differ between train, val and test: {shapes}")


def _channels_first(images: np.ndarray, path: Path) -> np.ndarray:
    """[N, H, W], [N, H, W, 3] or [N, D, H, W] of uint8 -> [N, C, ...] float32 in [0, 1]."""
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise InputError(f"data: images of {path} are {images.dtype} {list(images.shape)}; MedMNIST's are uint8")
    colour = images.ndim == 4 and images.shape[-1] == 3
    images = np.moveaxis(images, -1, 1) if colour else images[:, None]
    return np.divide(images, np.float32(255), dtype=np.float32, order="C")


def _notes(images: np.ndarray, test: np.ndarray) -> tuple[str, ...]:
    """How many images occur twice: the same picture may be in a train and in a test part."""
    keys = [image.tobytes() for image in images]
    seen = set(keys)
    leaked = sum(image.tobytes() in seen for image in test)
    found = []
    if len(seen) < len(keys):
        found.append(f"medmnist: {len(keys) - len(seen)} images are exact copies of another one")
    if leaked:
        found.append(f"medmnist: {leaked} of the external test images are also among the training images")
    return tuple(found)


def _packaged(name: str, size: int, download: bool) -> Path:
    """The file that the package medmnist keeps, fetched only where that was said."""
    package = _package()
    if name not in package.INFO:
        raise InputError(
            f"data: no MedMNIST data set {name!r}{guess(name, package.INFO)}; there are {listed(package.INFO, 40)}"
        )
    root = Path(package.info.DEFAULT_ROOT)
    file = root / (f"{name}.npz" if size == 28 else f"{name}_{size}.npz")
    if file.exists():
        return file
    if not download:
        raise InputError(f"data: {file} is not there; write `download: true` to let the package medmnist fetch it")
    getattr(package, package.INFO[name]["python_class"])(split="train", size=size, download=True, root=str(root))
    return file


def _package() -> ModuleType:
    try:
        return importlib.import_module("medmnist")
    except ImportError as error:
        raise InputError(
            "data: `name` needs the package medmnist: pip install medmnist; or give the file with `path`"
        ) from error
