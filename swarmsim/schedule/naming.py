"""Names of institutions in the sections of an experiment file."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.topology.guess import nearest
from swarmsim.types import InputError

__all__ = ["indices"]

SHOWN = 12


def indices(given: Sequence[str], names: Sequence[str], where: str, servers: Sequence[str] = ()) -> list[int]:
    """Which institutions are meant by `where`, or, numbered behind them, which servers where these may be meant too.

    InputError with the nearest name for one that is not there.
    """
    known = (*names, *servers)
    place = {name: i for i, name in reversed(list(enumerate(known)))}
    for name in given:
        if name not in place:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            others = f"; servers: {', '.join(servers[:SHOWN])}" if servers else ""
            raise InputError(
                f"{where}: no institution {name!r}{nearest(name, known)}; "
                f"institutions: {', '.join(names[:SHOWN])}{more}{others}"
            )
    return [place[name] for name in given]
