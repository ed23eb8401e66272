"""Synthetic grey images with and without a lesion, as different scanners would show them."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from swarmsim.data.source import Source
from swarmsim.data.text import numbered
from swarmsim.rng import stream
from swarmsim.types import Dataset, InputError

__all__ = ["Phantom"]


class Phantom(Source):
    """Synthetic grey images [N, 1, H, W], with a lesion or without, as different scanners would show them.

    Tissue is a smooth random field; a lesion is a blurred ellipse of random place, size and direction. More than
    two classes are kinds of lesions, which differ in their rings: profile exp(-r^2/2) cos(pi (k-1) r / 2) for kind
    k = 1, 2, ... Institution i owns scanner i mod `scanners`. A scanner shows an image as blur(gain * image +
    offset) + noise, where gain, offset, the width of the blur and the noise differ between scanners as much as
    `shift` says: at 0 they are all alike. The examples of institution i depend on the seed and i alone.

    Columns: `institution` and `scanner`. Without `institutions` there is one for each scanner.

    Reference: made for swarmsim; compare Tellez et al., Quantifying the effects of data augmentation and stain
    color normalization, Medical Image Analysis 2019, for how scanners differ.
    """

    examples: int = Field(default=200, ge=4, description="Examples an institution")
    size: int = Field(default=32, ge=8, le=512, description="Height and width in pixels")
    classes: int = Field(default=2, ge=2, le=5, description="Healthy, and this many less one kinds of lesions")
    scanners: int = Field(default=4, ge=1, description="Number of different scanners")
    shift: float = Field(default=0.5, ge=0, le=1, description="How much scanners differ, from 0 (not at all) to 1")
    prevalence: float = Field(default=0.5, gt=0, lt=1, description="Share of examples with a lesion")
    external: int = Field(default=0, ge=0, description="Examples of one more scanner, which never trains")

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """`examples` for each institution, one institution after another."""
        n = self.scanners if institutions is None else institutions
        if n < self.scanners:
            raise InputError(f"data: phantom has {self.scanners} scanners for {n} institutions; write scanners: {n}")
        sites = [self._site(seed, i, i % self.scanners, self.examples) for i in range(n)]
        owners = np.repeat(np.arange(n), self.examples)
        return Dataset(
            features=np.concatenate([images for images, _ in sites]),
            targets=np.concatenate([kinds for _, kinds in sites]),
            classes=self._class_names(),
            columns={
                "institution": np.array(numbered(n))[owners],
                "scanner": np.array(numbered(self.scanners, "scanner"))[owners % self.scanners],
            },
            external=self._external(seed) if self.external else None,
            notes=("phantom: synthetic images; what separates institutions is simulated",),
        )

    def _class_names(self) -> tuple[str, ...]:
        kinds = ["lesion"] if self.classes == 2 else [f"lesion-{k}" for k in range(1, self.classes)]
        return ("healthy", *kinds)

    def _external(self, seed: int) -> Dataset:
        return Dataset(*self._site(seed, -1, self.scanners, self.external), self._class_names())

    def _site(self, seed: int, institution: int, scanner: int, m: int) -> tuple[np.ndarray, np.ndarray]:
        """m images [m, 1, H, W] float32 and their classes [m] int64."""
        rng = stream(seed, "phantom", "institution", institution)
        kinds = _kinds(rng, m, self.classes, self.prevalence)
        images = _tissue(rng, m, self.size) + _lesions(rng, kinds, self.size)
        images = _scan(images, stream(seed, "phantom", "scanner", scanner), rng, self.shift)
        return images[:, None].astype(np.float32), kinds


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


def _lesions(rng: np.random.Generator, kinds: np.ndarray, size: int) -> np.ndarray:
    """Ellipses with the rings of their kind, [m, H, W]; 0 where healthy."""
    m = len(kinds)
    y, x = _grid(size)
    cy, cx = rng.uniform(-0.5, 0.5, (2, m, 1, 1))
    angle = rng.uniform(0, np.pi, (m, 1, 1))
    long, short = rng.uniform(0.16, 0.26, (2, m, 1, 1))
    along = (np.cos(angle) * (x - cx) + np.sin(angle) * (y - cy)) / long
    across = (np.cos(angle) * (y - cy) - np.sin(angle) * (x - cx)) / short
    squared = along**2 + across**2
    rings = np.cos(np.pi / 2 * np.maximum(kinds - 1, 0)[:, None, None] * np.sqrt(squared))
    height = rng.uniform(0.25, 0.45, (m, 1, 1)) * (kinds > 0)[:, None, None]
    return height * np.exp(-squared / 2) * rings


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
