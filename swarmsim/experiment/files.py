"""From a path to one document: bounded reading, and `extends`."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from swarmsim.experiment.errors import ExperimentError, Issue, nearest_file
from swarmsim.experiment.nodes import Node, Place, Source, merge
from swarmsim.experiment.reading import lines_of, read_text

__all__ = ["load"]

LARGEST, LONGEST_CHAIN = 1_000_000, 10
LONGEST_PATH = 4_096  # no system opens a longer one


def load(path: str | Path) -> Node:
    """The document at `path` on top of those that it extends, each named relative to the file that names it."""
    path = os.fspath(path)
    return _load(path, (), Place(Source(path)))


def _load(path: str, chain: tuple[str, ...], asked: Place) -> Node:
    here = os.path.realpath(path)
    if here in chain:
        names = " -> ".join(os.path.basename(name) for name in (*chain, here))
        raise ExperimentError([Issue(asked, "extends", f"a circle: {names}")])
    if len(chain) >= LONGEST_CHAIN:
        raise ExperimentError([Issue(asked, "extends", f"more than {LONGEST_CHAIN} files extend each other")])
    root = _read(path, asked, "extends" if chain else "")
    parent = root.value.pop("extends", None)
    if parent is None:
        return root
    name = parent.value
    if not isinstance(name, str) or os.path.isabs(name) or not name:
        raise ExperimentError([Issue(parent.at, "extends", "must be the path of a file, relative to this one")])
    if len(name) > LONGEST_PATH:
        raise ExperimentError([Issue(parent.at, "extends", f"a path of {len(name)} characters: no file has one")])
    base = _load(os.path.join(os.path.dirname(path), name), (*chain, here), parent.at)
    return merge(base, root)


def _read(path: str, asked: Place, key: str) -> Node:
    data = _bytes(path, asked, key)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        place = Place(Source(path), line, error.start - data.rfind(b"\n", 0, error.start))
        raise ExperimentError([Issue(place, "", "not UTF-8 text")]) from None
    root = read_text(text, Source(path, lines_of(text)))
    if not root.is_mapping:
        raise ExperimentError([Issue(root.at, "", "an experiment file holds keys and values (`name: ...`)")])
    return root


def _bytes(path: str, asked: Place, key: str) -> bytes:
    def refuse(text: str, hint: str = "") -> ExperimentError:
        return ExperimentError([Issue(asked, key, text, hint)])

    named = f" {path}" if key else ""
    try:
        mode = os.stat(path).st_mode
        if stat.S_ISDIR(mode):
            raise refuse(f"is a folder{named}, not an experiment file")
        if not stat.S_ISREG(mode):
            raise refuse(f"is not a regular file{named}")
        with open(path, "rb") as file:
            data = file.read(LARGEST + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise refuse(f"no such file{named}", nearest_file(path)) from None
    except OSError as error:
        raise refuse(f"cannot be read{named}: {error.strerror}") from None
    if len(data) > LARGEST:
        raise refuse(f"is larger than {LARGEST} bytes{named}: keep data in a data file")
    return data
