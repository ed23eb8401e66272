"""Files that may not be trusted: paths that nothing can have, pickles, and arrays that say they are huge."""

from __future__ import annotations

import lzma
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import NoReturn

import numpy as np

from swarmsim.types import InputError

__all__ = ["load_arrays", "lookup"]

MEMBERS, HEADER = 1_000, 10_000  # arrays in a file; characters of the line that describes one
SMALL, EXPANSION = 2**28, 200  # bytes that any array may have; how many times its compressed size a larger one may

# What zipfile and numpy raise on files that are torn, altered, or something else than a .npz.
UNREADABLE = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, ArithmeticError, EOFError, LookupError, MemoryError,
    OSError, RuntimeError, SyntaxError, TypeError, ValueError, AttributeError,
)  # fmt: skip


def lookup(path: str | Path) -> Path | None:
    """The regular file or folder at a path, `~` being a home; None where nothing is, can be, or would ever end."""
    try:
        place = Path(path).expanduser()
        return place if place.is_file() or place.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long, or the home of nobody
        return None


def load_arrays(path: Path, keys: Sequence[str], hint: Callable[[str, list[str]], str]) -> dict[str, np.ndarray]:
    """Arrays of numbers, truth values and texts of a .npz; `hint` says what to do about a name that is not there.

    Nothing is unpickled, and nothing is allocated before its size is checked. Raises InputError without the name of
    the room that asked.
    """
    if not path.is_file():
        raise InputError(f"{path} is no regular file")
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            if len(archive.filelist) > MEMBERS:
                raise InputError(f"{path} holds more than {MEMBERS} arrays")
            return {key: _array(path, archive, key, hint) for key in keys}
    except UNREADABLE as error:
        raise InputError(f"{path} cannot be read as a .npz of plain arrays: {_said(error)}") from error


def _array(path: Path, archive: zipfile.ZipFile, key: str, hint: Callable[[str, list[str]], str]) -> np.ndarray:
    names = [name.removesuffix(".npy") for name in archive.namelist()]
    if key not in names:
        raise InputError(f"{path} has no array {key!r}{hint(key, names)}")

    def refuse(why: str) -> NoReturn:
        raise InputError(f"array {key!r} of {path} cannot be read: {why}")

    info = archive.infolist()[len(names) - 1 - names[::-1].index(key)]  # of two with one name, the last counts
    with archive.open(info) as member, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of headers that old versions wrote
        shape, dtype = _header(member)
        _check(shape, dtype, info, path.stat().st_size, refuse)
        member.seek(0)
        values = np.lib.format.read_array(member, allow_pickle=False, max_header_size=HEADER)
        if member.read(1):
            refuse("there is more behind it")
    if values.dtype.kind == "U" and not _is_text(values):
        refuse("it holds characters that do not exist")
    return values


def _header(member: zipfile.ZipExtFile) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type, as the array itself declares them."""
    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member, max_header_size=HEADER)
    return shape, dtype


def _check(
    shape: tuple[int, ...], dtype: np.dtype, info: zipfile.ZipInfo, on_disk: int, refuse: Callable[[str], NoReturn]
) -> None:
    """That an array is what it says: before its declared size is believed."""
    if dtype.hasobject:
        refuse(
            "arrays of objects are pickles, which are never opened; save it again as numbers or as fixed-length text"
        )
    if dtype.kind not in "biufSU" or dtype.shape:
        refuse(f"it is of type {str(dtype)[:60]}; numbers, truth values and texts can be read")
    if any(length < 0 for length in shape):
        refuse(f"it declares the shape {list(shape)}")
    size = prod(shape) * dtype.itemsize
    if size > info.file_size:
        refuse(f"it declares {size} bytes, and holds at most {info.file_size}")
    if size > SMALL and size > EXPANSION * min(info.compress_size, on_disk):
        refuse(f"it would expand to {size} bytes, more than {EXPANSION} times its size in the file")
    if size > (memory := os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")):
        refuse(f"it has {size} bytes, and this machine {memory} bytes of memory")


def _is_text(values: np.ndarray) -> bool:
    points = np.ascontiguousarray(values).reshape(-1).view(f"{values.dtype.str[0]}u4")
    return not (points > 0x10FFFF).any() and not ((points >= 0xD800) & (points < 0xE000)).any()


def _said(error: BaseException) -> str:
    """The reason in one short line."""
    text = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:200] + "..."
