"""Words in messages: the nearest guess, lists that stay short, names of institutions."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence

from swarmsim.types import InputError

__all__ = ["folder_names", "guess", "listed", "numbered", "shortened"]

LONGEST = 200  # bytes of a folder's name; file systems take 255
RESERVED = ("all", "server", "external")  # words with a meaning of their own in metrics.csv and ledger.csv


def guess(name: str, allowed: Iterable[str]) -> str:
    """` (did you mean X?)`, or nothing where no allowed name is near; letter case counts for nothing."""
    names = {other.casefold(): other for other in allowed}
    near = difflib.get_close_matches(name.casefold(), names, n=1)
    return f" (did you mean {shortened(names[near[0]])!r}?)" if near else ""


def listed(names: Iterable[object], most: int = 12) -> str:
    """`a, b, c`, cut after `most` with the number of those left out."""
    names = [shortened(str(name), 80) for name in names]
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def shortened(text: str, most: int = 200) -> str:
    """A text for a message: printable, and without the middle of a long one."""
    short = text if len(text) <= most else f"{text[: most // 2]} ... {text[-most // 2 :]}"
    return "".join(c if c.isprintable() else "?" for c in short)


def numbered(n: int, what: str = "institution") -> tuple[str, ...]:
    """institution-0 ... institution-<n-1>, zero-padded so that they sort: `institution-007`."""
    width = len(str(n - 1))
    return tuple(f"{what}-{i:0{width}d}" for i in range(n))


def folder_names(names: Sequence[str]) -> tuple[str, ...]:
    """Names that are also folders and TensorBoard runs: no separators, control characters or leading dots.

    Raises InputError where two names would be one folder (letter case and how an accent is composed count for
    nothing, as in some file systems), where a name is too long for a folder, or a word is taken.
    """
    safe = tuple(_folder_name(str(name)) for name in names)
    first: dict[str, str] = {word: f"the word {word!r} in swarmsim's own tables" for word in RESERVED}
    for name, folder in zip(names, safe, strict=True):
        same = unicodedata.normalize("NFC", unicodedata.normalize("NFC", folder).casefold())
        if same in first:
            raise InputError(
                f"institution {_spelt(str(name))} would have the folder {_spelt(folder)}, which is taken by "
                f"{first[same]}; rename one of the two in the data"
            )
        first[same] = f"institution {_spelt(str(name))}"
    return safe


def _spelt(name: str) -> str:
    """In quotes; letter by letter where it only looks like another name."""
    return repr(name) if unicodedata.is_normalized("NFC", name) else ascii(name)


def _folder_name(name: str) -> str:
    printable = "".join(c if c.isprintable() else "\0" for c in name)
    folder = re.sub(r'[\0/\\:*?"<>|]+', "-", printable).strip().lstrip(". ").rstrip(". ")
    if not folder:
        raise InputError(f"institution {name!r} has no name that can be a folder; give it one in the data")
    if (size := len(folder.encode())) > LONGEST:
        raise InputError(
            f"institution {folder[:40]!r}... has a name of {size} bytes, but a folder may have {LONGEST}; rename it in "
            "the data"
        )
    return folder
