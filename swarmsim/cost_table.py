"""What the first round costs each participant, as a table in words."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

__all__ = ["cost_table", "in_bytes"]

FEW = 12  # so many participants have a line each; of more, only the extreme ones
MEMORY = ("rows", "examples", "activations")


def cost_table(participants: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The lines of a table: FLOPs, memory, messages, and bytes sent by kind, of each participant.

    Of more than 12, it has minimum, median and maximum of each column, and those who compute, hold or send most.
    """
    kinds = sorted({kind for each in participants.values() for kind in each["sent"]})
    rows = {name: _row(each, kinds) for name, each in participants.items()}
    if len(rows) > FEW:
        rows = _ends(rows) | {name: rows[name] for name in _extreme(participants)}
    table = [("participant", "FLOPs", *MEMORY, "messages", *kinds)]
    table += [(name, *_cells(row)) for name, row in rows.items()]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in table]
    return ["what the first round costs; messages, and bytes by kind, are those that a participant sends", *lines]


def in_bytes(count: float) -> str:
    """Bytes in a unit that reads well."""
    return _in_units(count, ("B", "kB", "MB", "GB"))


def _row(each: Mapping[str, Any], kinds: list[str]) -> list[float]:
    memory = [each["memory"][part] for part in MEMORY]
    return [each["flops"], *memory, each["messages"], *(each["sent"].get(kind, 0) for kind in kinds)]


def _cells(row: list[float]) -> list[str]:
    flops, rows, examples, activations, messages, *sent = row
    sizes = [in_bytes(size) for size in (rows, examples, activations, *sent)]
    return [_in_units(flops, ("", "k", "M", "G", "T")), *sizes[:3], f"{messages:,.0f}", *sizes[3:]]


def _ends(rows: Mapping[str, list[float]]) -> dict[str, list[float]]:
    """Minimum, median and maximum of every column."""
    columns = list(zip(*rows.values(), strict=True))
    figures = {f"least of {len(rows):,}": min, "median": median, "most": max}
    return {name: [figure(column) for column in columns] for name, figure in figures.items()}


def _extreme(participants: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Who computes most, who holds most and who sends most (the first, where several are equal)."""
    measures = (
        lambda name: participants[name]["flops"],
        lambda name: sum(participants[name]["memory"].values()),
        lambda name: sum(participants[name]["sent"].values()),
    )
    return list(dict.fromkeys(max(participants, key=measure) for measure in measures))


def _in_units(count: float, units: tuple[str, ...]) -> str:
    """1234567 -> 1.2 M: a number in the first of the units, each 1000 times the one before, that leaves it short."""
    step = 0
    while count >= 1000 and step < len(units) - 1:
        count, step = count / 1000, step + 1
    return f"{count:,.{1 if step else 0}f} {units[step]}".rstrip()
