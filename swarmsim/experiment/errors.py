"""What is wrong with an experiment file: where, what was given, what is allowed, the nearest guess."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from swarmsim.experiment.nodes import Place
from swarmsim.types import InputError

__all__ = ["ExperimentError", "Issue", "did_you_mean", "guess", "nearest_file", "printable", "shown"]

SHOWN, WIDTH, LONGEST_GUESS = 6, 110, 80
MOST_CHARACTERS = 4_000  # of a whole message; a single issue always fits
PLACE, PATH, TEXT, HINT = 500, 200, 1_000, 1_800  # characters of the parts of an issue


class Issue(NamedTuple):
    """One thing that is wrong at a place; `path` is the dotted path of the key, `hint` goes beside the caret."""

    place: Place
    path: str
    text: str
    hint: str = ""

    def __str__(self) -> str:
        parts = ((str(self.place), PLACE), (self.path, PATH), (self.text, TEXT))
        head, hint = ": ".join(printable(part, most) for part, most in parts if part), printable(self.hint, HINT)
        source, line, column = self.place
        if source.option or not 1 <= line <= len(source.lines):
            return f"{head}; {hint}" if hint else head
        excerpt, caret = _excerpt(source.lines[line - 1], column)
        number = f"    {line}"
        pointer = f"{' ' * len(number)} | {' ' * caret}^ {hint}"
        return f"{head}\n{number} | {excerpt}\n{pointer.rstrip()}"


class ExperimentError(InputError):
    """Everything that is wrong with an experiment file, each with its place."""

    def __init__(self, issues: Iterable[Issue]) -> None:
        unique: dict[tuple[Place, str], Issue] = {}
        for issue in issues:
            unique.setdefault((issue.place, issue.text), issue)
        self.issues = tuple(sorted(unique.values(), key=_order))
        messages = [str(issue) for issue in self.issues[:SHOWN]]
        while len(messages) > 1 and sum(map(len, messages)) + SHOWN > MOST_CHARACTERS:
            messages.pop()
        super().__init__("\n".join(messages + ["... and more"] * (len(self.issues) > len(messages))))


def printable(text: str, most: int) -> str:
    """A text for a terminal: control characters are written out, the middle of a long one is left out."""
    if len(text) > most:
        text = f"{text[: most // 2]} ... {text[-most // 2 :]}"
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def guess(word: str, allowed: Iterable[str]) -> str | None:
    """The allowed name that was probably meant."""
    if len(word) > LONGEST_GUESS:
        return None
    allowed = list(allowed)
    tails = [name for name in allowed if name.rpartition("/")[2] == word]
    close = tails or difflib.get_close_matches(word, allowed, 1, 0.6)
    return close[0] if close else None


def did_you_mean(word: str, allowed: Sequence[str]) -> str:
    """`did you mean x? allowed: ...`"""
    near = guess(word, allowed)
    return (f"did you mean `{near}`? " if near else "") + f"allowed: {', '.join(allowed) or 'nothing'}"


def shown(value: Any) -> str:
    """A value as it would be written in YAML, shortened."""
    if isinstance(value, dict):
        return f"a section with {len(value)} keys" if value else "an empty section"
    if isinstance(value, float):
        return repr(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def _order(issue: Issue) -> tuple:
    return issue.place.source.option, issue.place.source.name, issue.place.line, issue.place.column


def _excerpt(line: str, column: int) -> tuple[str, int]:
    """The part of a line around a column, fit for a terminal, and where the column is in it."""
    start = max(0, column - 1 - WIDTH // 2) if len(line) > WIDTH else 0
    part = "".join(c if c.isprintable() else " " for c in line[start : start + WIDTH])
    before, after = "..." * (start > 0), "..." * (start + WIDTH < len(line))
    return f"{before}{part.rstrip()}{after}", len(before) + min(column - 1, len(line)) - start


def nearest_file(path: str) -> str:
    """A hint for a file that is not there: a file of nearly that name beside it."""
    folder, name = os.path.split(path)
    try:
        files = [entry for entry in sorted(os.listdir(folder or "."))[:1000] if entry.endswith((".yaml", ".yml"))]
    except OSError:
        return f"there is no folder {folder}"
    near = guess(name, files)
    return f"did you mean {os.path.join(folder, near)}?" if near else ""
