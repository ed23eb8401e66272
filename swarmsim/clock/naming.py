"""Names of participants in the sections `network` and `pace`, which are the same for all methods of a study."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from swarmsim.schedule.naming import indices

__all__ = ["present"]

SERVER = re.compile(r"server(-[a-z0-9]+)*")


def present(given: Iterable[str], names: Sequence[str], where: str) -> set[str]:
    """Those of the given names that a participant has: a server may be one of another method.

    InputError with the nearest name for any other that nobody has.
    """
    mine = [name for name in given if name in names or not SERVER.fullmatch(name)]
    indices(mine, names, where)
    return set(mine)
