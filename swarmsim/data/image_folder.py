"""Folders of images."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from pydantic import Field

from swarmsim.data.paths import find
from swarmsim.data.source import Source
from swarmsim.data.text import shortened
from swarmsim.types import Dataset, InputError

__all__ = ["ImageFolder"]

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})
FORMATS = ("PNG", "JPEG", "BMP", "TIFF")  # by content: what only has one of the names is never decoded

# What the decoders raise on files that are torn, altered, or far larger than they look.
UNREADABLE = (
    ArithmeticError, AttributeError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError,
    ValueError, struct.error, zlib.error,
)  # fmt: skip


class ImageFolder(Source):
    """Folders of images: path/<class>/<image>, or path/<site>/<class>/<image> with `sites: true`.

    Images (png, jpg, bmp, tif; grey ones also with 16 bits) are resized to size x size and scaled to [0, 1]:
    [N, 1, H, W] grey or [N, 3, H, W] in colour. Classes are the folder names, sorted. With `sites` the column
    `site` serves `partition: {use: natural, column: site}`.

    Reference: the usual layout, that of torchvision.datasets.ImageFolder.
    """

    path: str = Field(description="The folder; relative to SWARMSIM_DATA or the current directory")
    sites: bool = Field(default=False, description="Whether folders of sites come before folders of classes")
    size: int = Field(default=32, ge=4, le=1024, description="Height and width in pixels that images are resized to")
    grayscale: bool = Field(default=True, description="One channel instead of three")

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """Every image, in the order of the names of folders and files."""
        root = find(self.path)
        files = _images(root, depth=3 if self.sites else 2)
        kinds = [file.parent.name for file in files]
        classes = sorted(set(kinds))
        if len(classes) < 2:
            layout = "<site>/<class>/<image>" if self.sites else "<class>/<image>"
            raise InputError(
                f"data: {root} holds {len(files)} images in {len(classes)} classes; two are needed, as {layout}"
            )
        return Dataset(
            features=np.stack([_pixels(file, self.size, self.grayscale) for file in files]),
            targets=np.searchsorted(classes, kinds).astype(np.int64),
            classes=tuple(classes),
            columns={"site": np.array([file.parent.parent.name for file in files])} if self.sites else {},
        )


def _images(root: Path, depth: int) -> list[Path]:
    """Images exactly `depth` levels below the root, hidden ones left out."""
    found = (file for file in root.glob("/".join("*" * depth)) if file.suffix.lower() in ENDINGS)
    shown = sorted(file for file in found if not any(part.startswith(".") for part in file.relative_to(root).parts))
    for file in shown:
        if not file.is_file():  # a pipe might never end
            raise InputError(f"data: {str(file)!r} is no regular file")
        if not str(file.relative_to(root)).isprintable():
            raise InputError(f"data: {str(file)!r} has characters in its name that cannot be printed; rename it")
    return shown


@contextmanager
def _quietly(raised: type[Warning]) -> Iterator[None]:
    """No warnings of a library, except one that becomes an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", raised)
        yield


def _pixels(file: Path, size: int, grayscale: bool) -> np.ndarray:
    """One image as [C, size, size] float32 in [0, 1]."""
    from PIL import Image

    try:
        with _quietly(Image.DecompressionBombWarning), Image.open(file, formats=FORMATS) as image:
            deep = image.mode.startswith("I")  # 16 bits a pixel
            image = image.convert("F" if deep else "L" if grayscale else "RGB")
            pixels = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR), dtype=np.float32)
    except (*UNREADABLE, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"data: {file} cannot be read as an image: {shortened(str(error))}") from error
    pixels = pixels / (65535 if deep else 255)
    pixels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    return np.repeat(pixels, 3, axis=0) if len(pixels) == 1 and not grayscale else pixels
