"""Names of institutions in the sections of an experiment file."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.topology.guess import nearest
from swarmsim.types import InputError

__all__ = ["indices"]

SHOWN = 12


def indices(given: Sequence[str], names: Sequence[str], where: str) -> list[int]:
    """Which institutions are meant by `where`; InputError with the nearest name for one that is not there."""
    place = {name: i for i, name in enumerate(names)}
    for name in given:
        if name not in place:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise InputError(
                f"{where}: no institution {name!r}{nearest(name, names)}; "
                f"institutions: {', '.join(names[:SHOWN])}{more}"
            )
    return [place[name] for name in given]
