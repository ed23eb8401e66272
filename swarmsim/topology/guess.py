"""The nearest guess of an error message."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["nearest"]


def nearest(given: str, allowed: Iterable[str]) -> str:
    """ " (did you mean X?)", or nothing where no allowed word is close; upper and lower case count as close."""
    by_lower = {word.lower(): word for word in allowed}
    close = difflib.get_close_matches(given.lower()[:100], by_lower, n=1)
    return f" (did you mean {by_lower[close[0]]!r}?)" if close else ""
