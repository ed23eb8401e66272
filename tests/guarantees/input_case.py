"""What a generated input is, how it is read, and what may be said of it."""

from __future__ import annotations

import gc
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from swarmsim.experiment import Study, read
from swarmsim.experiment.components import FOLDERS, components
from swarmsim.types import InputError

__all__ = ["EXPERIMENTS", "MAIN", "PLUGINS", "Case", "Verdict", "complaints", "generator", "judge", "warm", "write"]

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
PLUGINS = ("experiments.plugins.attention_mlp",)
MAIN = "main.yaml"  # the file of a case that is read
MOST_LINES, MOST_CHARACTERS, SLOWEST = 20, 4_000, 0.1
INTERNAL = re.compile(
    r"Traceback|pydantic|yaml\.(parser|scanner|reader|error|composer)|<class|<[a-z_.]+ object|0x[0-9a-f]{8,}|"
    r"RecursionError|Errno|swarmsim/|\.py[:\"]|\.py, line"
)  # fmt: skip
QUOTED = re.compile(r" +\d+ \| ")  # a line of the file, drawn above its caret


@dataclass(frozen=True)
class Case:
    """Files by name, of which MAIN is read, and the overrides that are put on top."""

    files: dict[str, bytes]
    overrides: tuple[str, ...] = ()
    folders: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Verdict:
    """The study that came out, or the message; and the processor's seconds it took."""

    study: Study | None
    message: str
    seconds: float


def generator(kind: str, seed: int, index: int) -> Random:
    """The same random numbers for the same case, on every machine and in every order."""
    return Random(f"{kind}/{seed}/{index}")


def warm() -> None:
    """Import every component once, so that the first document is not charged for it."""
    for key in FOLDERS:
        components(key, PLUGINS)
    read(EXPERIMENTS / "quickstart.yaml", plugins=PLUGINS)


def write(case: Case, folder: Path) -> Path:
    """The case on disk; the file to read."""
    for name in case.folders:
        (folder / name).mkdir(parents=True, exist_ok=True)
    for name, content in case.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / MAIN


def judge(path: Path, overrides: Sequence[str]) -> Verdict:
    """Read once; anything but a study or an InputError goes through."""
    gc.disable()  # a collection of what the test suite holds is not the reader's time
    start = time.process_time()
    try:
        study = read(path, overrides, plugins=PLUGINS)
        return Verdict(study, "", time.process_time() - start)
    except InputError as error:
        return Verdict(None, str(error), time.process_time() - start)
    finally:
        gc.enable()


def complaints(verdict: Verdict, given: str = "") -> list[str]:
    """What is wrong with how an input was taken; `given` is what was written, which a message may quote."""
    found = []
    if verdict.seconds > SLOWEST:
        found.append(f"took {verdict.seconds * 1000:.0f} ms")
    if verdict.study is not None:
        return found
    lines = verdict.message.split("\n")
    if not verdict.message.strip():
        found.append("says nothing")
    if len(lines) > MOST_LINES or len(verdict.message) > MOST_CHARACTERS:
        found.append(f"says too much: {len(lines)} lines, {len(verdict.message)} characters")
    if odd := [line for line in lines if not line.isprintable()]:
        found.append(f"prints control characters: {odd[0][:200]!r}")
    own_words = "\n".join(line for line in lines if not QUOTED.match(line))
    if inside := [hit[0] for hit in INTERNAL.finditer(own_words) if hit[0] not in given]:
        found.append(f"shows the inside: {inside[0]!r}")
    return found
