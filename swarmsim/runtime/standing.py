"""Where a program stands or broke: whose part it computes, and the innermost lines, in one line."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from swarmsim.network.located import Group

__all__ = ["Standing", "standing"]

LOOPS = ("swarmsim.network.located", "swarmsim.runtime.apply")
Step = tuple[FrameType, int]  # a frame and the line in it


class Standing(NamedTuple):
    """Whose part it is, None if nobody's alone; and where."""

    who: str | None
    where: str


def standing(steps: Iterable[Step], shown: int = 3) -> Standing:
    """What a stack says, from the outermost frame to the innermost."""
    steps = list(steps)
    lines = [f"{Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}" for frame, line in steps]
    return Standing(_member(steps), ", called from ".join(reversed(lines[-shown:])))


def _member(steps: list[Step]) -> str | None:
    """The member for which a group's `map` or `each` computes, as the loops of those two know it."""
    group = None
    for frame in (frame for frame, _ in steps if frame.f_globals.get("__name__") in LOOPS):
        held = frame.f_locals
        if isinstance(found := held.get("self"), Group):
            group = found
        if group and isinstance(i := held.get("i"), int):
            return group.names[i]
    return None
