"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from swarmsim.log import points
from swarmsim.log.claim import started
from swarmsim.types import SwarmsimError

__all__ = ["explained", "read_json", "write_atomic", "write_json"]

DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)  # whatever file it was
FOLDER = (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST)  # if it is one of ours


def write_atomic(path: Path, content: bytes) -> None:
    """Replace a file in one step: a crash at any moment leaves the old content or the new, never a mixture.

    Where it cannot be written, the old content stays and the space of the unfinished one is given back.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            points.reached("file.filled")
            os.fsync(file.fileno())
        points.reached("file.written")
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        raise
    points.reached("file.renamed")
    _sync_folder(path.parent)
    points.reached("file.synced")


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """A full disk or a folder that cannot be written ends a run with one message, not with a traceback."""
    try:
        yield
    except OSError as error:
        if error.errno not in DISK and not (error.errno in FOLDER and _about(error, folder)):
            raise
        way_out = f"`swarmsim resume {folder}`" if started(folder) else "the same command, perhaps with another --out"
        raise SwarmsimError(
            f"{error.filename or folder}: cannot be written: {error.strerror}; mend that, then go on with {way_out}"
        ) from error


def _about(error: OSError, folder: Path) -> bool:
    """Whether the error names the folder, a file in it, or a folder around it."""
    if error.filename is None:
        return False
    named, folder = Path(os.fsdecode(error.filename)).absolute(), folder.absolute()
    return named.is_relative_to(folder) or folder.is_relative_to(named)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file; NaN and infinity are not JSON and raise ValueError."""
    write_atomic(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _sync_folder(folder: Path) -> None:
    """Make a rename durable: it is the folder that remembers names."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
