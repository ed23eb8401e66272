"""Words in messages: the nearest guess, lists that stay short, names of institutions."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

from swarmsim.types import InputError

__all__ = ["folder_names", "guess", "listed", "numbered"]

RESERVED = ("all", "server", "external")  # words with a meaning of their own in metrics.csv and ledger.csv


def guess(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where no allowed name is near; letter case counts for nothing."""
    names = {other.casefold(): other for other in allowed}
    near = difflib.get_close_matches(name.casefold(), names, n=1)
    return f" (did you mean {names[near[0]]!r}?)" if near else ""


def listed(names: Iterable[object], most: int = 12) -> str:
    """`a, b, c`, cut after `most` with the number of those left out."""
    names = [str(name) for name in names]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def numbered(n: int, what: str = "institution") -> tuple[str, ...]:
    """institution-0 ... institution-<n-1>, zero-padded so that they sort: `institution-007`."""
    width = len(str(n - 1))
    return tuple(f"{what}-{i:0{width}d}" for i in range(n))


def folder_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names that are also folders and TensorBoard runs: no separators, control characters or leading dots.

    Raises InputError where two names would be one folder (letter case counts for nothing), or a word is taken.
    """
    safe = tuple(_folder_name(str(name)) for name in names)
    first: dict[str, str] = {word: f"the word {word!r} in swarmsim's own tables" for word in RESERVED}
    for name, folder in zip(names, safe, strict=True):
        if folder.casefold() in first:
            raise InputError(
                f"institution {str(name)!r} would have the folder {folder!r}, which is taken by "
                f"{first[folder.casefold()]}; rename one of the two in the data"
            )
        first[folder.casefold()] = f"institution {str(name)!r}"
    return safe


def _folder_name(name: str) -> str:
    folder = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]+', "-", name).strip().lstrip(". ").rstrip(". ")
    if not folder:
        raise InputError(f"institution {name!r} has no name that can be a folder; give it one in the data")
    return folder
