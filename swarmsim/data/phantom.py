"""Synthetic grey images with and without a lesion, as different scanners would show them."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from swarmsim.data.source import Source
from swarmsim.data.text import numbered
from swarmsim.rng import stream
from swarmsim.types import Block, Dataset, InputError

__all__ = ["Phantom"]

HALF_HEIGHT = 2 * np.log(2)  # the squared radius r^2 at which exp(-r^2/2) is 1/2


class Phantom(Source):
    """Synthetic grey images [N, 1, H, W], with a lesion or without, as different scanners would show them.

    Tissue is a smooth random field; a lesion is a blurred ellipse of random place, size and direction. More than
    two classes are kinds of lesions, which differ in their rings: profile exp(-r^2/2) cos(pi (k-1) r / 2) for kind
    k = 1, 2, ... Institution i owns scanner i mod `scanners`. A scanner shows an image as blur(gain * image +
    offset) + noise, where gain, offset, the width of the blur and the noise differ between scanners as much as
    `shift` says: at 0 they are all alike. The examples of institution i depend on the seed and i alone.

    With `target: mask` the targets are masks [N, 1, H, W] instead of classes, for segmentation: 1 where the ellipse of
    a lesion has at least half of its height, r^2 <= 2 log 2, whatever its kind; all 0 for healthy tissue. Below
    16 pixels a side a small lesion may miss every pixel.

    With `history: k` the data is vertical: the institution `imaging` holds the images of all scanners (`examples` of
    each), and the institution `history`, which also knows the classes, k columns of the same patients, column j of
    them (1/j) [lesion] + standard normal noise. Alone, column j tells lesions apart with an AUROC of
    Phi(1 / (j sqrt 2)), so the first with 0.76.

    Columns: `institution` and `scanner`. Without `institutions` there is one for each scanner.

    Reference: made for swarmsim; compare Tellez et al., Quantifying the effects of data augmentation and stain
    color normalization, Medical Image Analysis 2019, for how scanners differ.
    """

    examples: int = Field(default=200, ge=4, description="Examples an institution")
    size: int = Field(default=32, ge=8, le=512, description="Height and width in pixels")
    target: Literal["class", "mask"] = Field(default="class", description="What is to be predicted")
    classes: int = Field(default=2, ge=2, le=5, description="Healthy, and this many less one kinds of lesions")
    scanners: int = Field(default=4, ge=1, description="Number of different scanners")
    shift: float = Field(default=0.5, ge=0, le=1, description="How much scanners differ, from 0 (not at all) to 1")
    prevalence: float = Field(default=0.5, gt=0, lt=1, description="Share of examples with a lesion")
    external: int = Field(default=0, ge=0, description="Examples of one more scanner, which never trains")
    history: int = Field(default=0, ge=0, le=1000, description="Columns beside the images, at another institution")

    @model_validator(mode="after")
    def _classes_stand_beside_columns(self) -> Phantom:
        if self.history and self.target == "mask":
            raise ValueError("history makes the data vertical, for a model of all blocks: target: class, not mask")
        return self

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """`examples` for each institution, one institution after another."""
        n = self.scanners if institutions is None or self.history else institutions
        if n < self.scanners:
            raise InputError(f"data: phantom has {self.scanners} scanners for {n} institutions; write scanners: {n}")
        sites = [self._site(seed, i, i % self.scanners, self.examples) for i in range(n)]
        owners = np.repeat(np.arange(n), self.examples)
        dataset = Dataset(
            features=np.concatenate([images for images, _ in sites]),
            targets=np.concatenate([targets for _, targets in sites]),
            classes=self._class_names(),
            columns={
                "institution": np.array(numbered(n))[owners],
                "scanner": np.array(numbered(self.scanners, "scanner"))[owners % self.scanners],
            },
            external=self._external(seed) if self.external else None,
            notes=("phantom: synthetic images; what separates institutions is simulated",),
        )
        return self._with_history(dataset, seed) if self.history else dataset

    def _with_history(self, images: Dataset, seed: int, whose: str = "patients") -> Dataset:
        """The same patients, each image flattened with the columns behind it."""
        lesion, rng = images.targets > 0, stream(seed, "phantom", "history", whose)
        columns = lesion[:, None] / np.arange(1, self.history + 1) + rng.normal(size=(len(lesion), self.history))
        flat = images.features.reshape(len(lesion), -1)
        outside = images.external and self._with_history(images.external, seed, "external")
        return replace(
            images,
            features=np.concatenate([flat, columns.astype(np.float32)], axis=1),
            columns={name: column for name, column in images.columns.items() if name != "institution"},
            external=outside,
            blocks=(Block("imaging", images.features.shape[1:]), Block("history", (self.history,))),
            label_holder="history",
        )

    def _class_names(self) -> tuple[str, ...]:
        """None for masks: what has no classes is not counted by class."""
        if self.target == "mask":
            return ()
        kinds = ["lesion"] if self.classes == 2 else [f"lesion-{k}" for k in range(1, self.classes)]
        return ("healthy", *kinds)

    def _external(self, seed: int) -> Dataset:
        return Dataset(*self._site(seed, -1, self.scanners, self.external), self._class_names())

    def _site(self, seed: int, institution: int, scanner: int, m: int) -> tuple[np.ndarray, np.ndarray]:
        """m images [m, 1, H, W] float32 and their classes [m] int64, or masks [m, 1, H, W] float32."""
        rng = stream(seed, "phantom", "institution", institution)
        kinds = _kinds(rng, m, self.classes, self.prevalence)
        tissue = _tissue(rng, m, self.size)
        lesions, masks = _lesions(rng, kinds, self.size)
        images = _scan(tissue + lesions, stream(seed, "phantom", "scanner", scanner), rng, self.shift)
        targets = kinds if self.target == "class" else masks[:, None].astype(np.float32)
        return images[:, None].astype(np.float32), targets


def _kinds(rng: np.random.Generator, m: int, classes: int, prevalence: float) -> np.ndarray:
    """Classes [m]: the share with a lesion is exact to rounding, its kinds are as many each."""
    sick = round(prevalence * m)
    kinds = np.zeros(m, dtype=np.int64)
    kinds[:sick] = 1 + np.arange(sick) % (classes - 1)
    return rng.permutation(kinds)


def _grid(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in [-1, 1], as [1, H, 1] and [1, 1, W]."""
    axis = np.linspace(-1, 1, size)
    return axis[None, :, None], axis[None, None, :]


def _tissue(rng: np.random.Generator, m: int, size: int, waves: int = 3) -> np.ndarray:
    """A sum of slow waves of random direction and phase, [m, H, W]."""
    y, x = _grid(size)
    fy, fx = rng.normal(0, 2.5, (2, waves, m, 1, 1))
    phase = rng.uniform(0, 2 * np.pi, (waves, m, 1, 1))
    return 0.5 + sum(0.08 * np.sin(fy[w] * y + fx[w] * x + phase[w]) for w in range(waves))


def _lesions(rng: np.random.Generator, kinds: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Ellipses with the rings of their kind, [m, H, W]; 0 where healthy. And which pixels are theirs, [m, H, W]."""
    m = len(kinds)
    y, x = _grid(size)
    cy, cx = rng.uniform(-0.5, 0.5, (2, m, 1, 1))
    angle = rng.uniform(0, np.pi, (m, 1, 1))
    long, short = rng.uniform(0.16, 0.26, (2, m, 1, 1))
    along = (np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)) / long
    across = (np.cos(angle) * (y - cy) - np.sin(angle) * (x - cx)) / short
    squared = along**2 + across**2
    rings = np.cos(np.pi / 2 * np.maximum(kinds - 1, 0)[:, None, None] * np.sqrt(squared))
    sick = (kinds > 0)[:, None, None]
    height = rng.uniform(0.25, 0.45, (m, 1, 1)) * sick
    return height * np.exp(-squared / 2) * rings, sick & (squared <= HALF_HEIGHT)


def _scan(images: np.ndarray, scanner: np.random.Generator, rng: np.random.Generator, shift: float) -> np.ndarray:
    """blur(gain * image + offset) + noise, with what the scanner's own generator draws, [m, H, W]."""
    gain = np.exp(shift * scanner.normal(0, 0.5))
    offset = shift * scanner.normal(0, 0.3)
    width = 0.5 + shift * scanner.uniform(-0.5, 1.0)  # of the blur, in pixels
    noise = 0.06 * np.exp(shift * scanner.normal(0, 0.7))
    fy = np.fft.fftfreq(images.shape[1])[:, None]
    fx = np.fft.rfftfreq(images.shape[2])[None, :]
    transfer = np.exp(-2 * (np.pi * width) ** 2 * (fy**2 + fx**2))
    blurred = np.fft.irfft2(np.fft.rfft2(gain * images + offset) * transfer, s=images.shape[1:])
    return blurred + noise * rng.standard_normal(images.shape)
