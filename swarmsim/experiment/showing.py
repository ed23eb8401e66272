"""The listing as text for a terminal or a file."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click

from swarmsim.experiment.components import FOLDERS

__all__ = ["listing_lines"]

NAME, TYPE, DEFAULT = 22, 34, 15  # widths of the columns


def listing_lines(entries: list[dict[str, Any]], width: int | None) -> Iterator[str]:
    """Sections, what can be written after `use:`, and arguments with type and default; wrapped at `width` if given."""
    for section, members in groupby(entries, key=lambda entry: entry["section"]):
        where = "use: one of" if section in FOLDERS else "a section of its own"
        yield f"{click.style(section, bold=True, fg='green')}  {click.style(where, dim=True)}"
        for entry in members:
            name = f"{entry['use']}  " if entry["use"] else ""
            yield from _wrapped(f"  {click.style(name, bold=True)}", len(name) + 2, entry["description"], 4, width)
            for argument in entry["arguments"]:
                yield from _argument(argument, width)
            for what, words in entry.get("faults", {}).items():
                yield from _faults(f"faults {what}", words, width)
        yield ""


def _faults(what: str, words: dict[str, str], width: int | None) -> Iterator[str]:
    """A line for all keys of `faults` of which the same is said."""
    for said in dict.fromkeys(words.values()):
        keys = ", ".join(key for key, other in words.items() if other == said)
        start = f"      {click.style(what, dim=True)} {click.style(keys, fg='cyan')}: "
        yield from _wrapped(start, 8 + len(what) + len(keys) + 1, said, 9 + NAME, width)


def _argument(argument: dict[str, Any], width: int | None) -> Iterator[str]:
    default = "required" if argument["required"] else _default(argument["default"])
    cells = [(argument["name"], NAME, "cyan"), (argument["type"], TYPE, None), (default, DEFAULT, "yellow")]
    text = "".join(click.style(cell.ljust(room), fg=colour) + " " for cell, room, colour in cells)
    used = sum(max(len(cell), room) + 1 for cell, room, _ in cells)
    yield from _wrapped(f"      {text}", 6 + used, argument["description"], 9 + NAME + TYPE + DEFAULT, width)


def _default(value: Any) -> str:
    """As in YAML; of a section the first argument only."""
    if isinstance(value, dict):
        return next((f"{{{key}: {_default(inner)}}}" for key, inner in value.items()), "{}")
    return value if isinstance(value, str) and value.isidentifier() else json.dumps(value, ensure_ascii=False)


def _wrapped(start: str, used: int, text: str, indent: int, width: int | None) -> Iterator[str]:
    """`start`, which takes `used` columns, and then a text, whose further lines are indented."""
    if not text or width is None:
        yield (start + text).rstrip()
        return
    lines = textwrap.wrap(text, max(width, indent + 20), initial_indent=" " * used, subsequent_indent=" " * indent)
    yield start + lines[0][used:] if len(lines[0]) > used else start.rstrip()
    yield from lines[1:]
