"""One generated input again: python -m tests.guarantees.replay_input KIND SEED INDEX."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from tests.guarantees.input_case import Case, Verdict, complaints, generator, judge, warm, write
from tests.guarantees.input_documents import bomb, document
from tests.guarantees.input_mutations import chain, mutation, overriding
from tests.guarantees.input_shapes import runnable, shape

__all__ = ["KINDS", "case", "replay", "run"]

KINDS: dict[str, Callable[[Random], Case]] = {
    "document": document, "bomb": bomb, "shape": shape, "mutation": mutation, "override": overriding, "extends": chain,
    "runnable": runnable,
}  # fmt: skip


def case(kind: str, seed: int, index: int) -> Case:
    """The input of that kind with that number."""
    return KINDS[kind](generator(kind, seed, index))


def replay(kind: str, seed: int, index: int, folder: Path) -> tuple[Verdict, list[str]]:
    """How the input is taken, and what is wrong with that; one that was slow gets a second try."""
    one = case(kind, seed, index)
    path = write(one, folder)
    given = "".join([*one.overrides, *(text.decode(errors="replace") for text in one.files.values())])
    verdict = judge(path, one.overrides)
    if any(wrong.startswith("took") for wrong in complaints(verdict, given)):
        verdict = judge(path, one.overrides)
    return verdict, complaints(verdict, given)


def run(kind: str, seed: int, count: int, folder: Path) -> Iterator[tuple[int, Verdict, list[str]]]:
    """`count` inputs of a kind, each in a folder of its own."""
    for index in range(count):
        place = folder / f"{kind}-{index}"
        place.mkdir()
        try:
            yield (index, *replay(kind, seed, index, place))
        except Exception as error:
            raise AssertionError(
                f"{type(error).__name__} at: python -m tests.guarantees.replay_input {kind} {seed} {index}"
            ) from error


def main(kind: str, seed: str, index: str) -> None:
    """Show the input, what became of it, and how long that took; the traceback if there is one."""
    warm()
    one = case(kind, int(seed), int(index))
    for name, content in one.files.items():
        print(f"--- {name} ({len(content)} bytes)\n{content[:2000].decode(errors='backslashreplace')}")
    print("--- overrides", *(override[:500] for override in one.overrides), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        verdict, wrong = replay(kind, int(seed), int(index), Path(folder))
    print(f"--- {verdict.seconds * 1000:.1f} ms\n{verdict.message or verdict.study}\n--- wrong: {wrong or 'nothing'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
