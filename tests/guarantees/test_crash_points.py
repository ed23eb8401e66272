"""A run killed by SIGKILL, at every named point and at any time, resumes to the same bits."""

from __future__ import annotations

import ast
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from swarmsim.log.points import POINTS
from tests.guarantees.crashing import Crasher, crasher
from tests.guarantees.runs import ALL, FEW, experiment, study

ROOT = Path(__file__).parents[2] / "swarmsim"
NAMES = [point.name for point in POINTS]
RESUMING = {"resume.swept", "resume.manifest", "resume.cut"}
OF_A_STUDY = {"study.summary", "study.manifest"}
BEHIND_A_CHECKPOINT, BEFORE_ONE = ["round.board", 3], ["round.board", 1]


class Whole(NamedTuple):
    """A run that was never killed."""

    file: Path
    folder: Path
    counts: dict[str, int]
    seconds: float

    def case(self, number: int, *kills, used: bool = False) -> dict:
        out = self.folder.with_name(f"{self.folder.name}-killed-{number}")
        return {"file": str(self.file), "whole": str(self.folder), "out": str(out), "kills": kills, "used": used}


@pytest.fixture(scope="module")
def process() -> Iterator[Crasher]:
    with crasher() as started:
        yield started


def whole(process: Crasher, file: Path) -> Whole:
    began, folder = time.monotonic(), file.with_name("whole")
    (counts,) = process.ask("points", {"file": str(file), "whole": str(folder)})
    assert isinstance(counts, dict), counts
    return Whole(file, folder, counts, time.monotonic() - began)


def check(process: Crasher, cases: list[dict]) -> None:
    """No case differs from the run that was never killed."""
    answers = process.ask("killed", *cases)
    wrong = [(case["kills"], answer) for case, answer in zip(cases, answers, strict=True) if answer]
    assert not wrong, wrong[:3]


def places(counts: dict[str, int], which: str) -> list[list]:
    """[point, how often it is reached before]: the first, middle or last time of each point, or all of them."""
    chosen = {"first": lambda n: [0], "middle": lambda n: [n // 2], "last": lambda n: [n - 1], "all": range}[which]
    return [[name, before] for name, n in counts.items() for before in chosen(n)]


# --------------------------------------------------------------------------------------------------- the points


def calls() -> list[str]:
    """The names that swarmsim says it has reached, in source code."""
    found = []
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "points.reached":
                (name,) = node.args
                if isinstance(name, ast.Constant):
                    found.append(name.value)
                else:
                    found += [f"round.{table}" for table in ("metrics", "ledger", "merges", "events")]
    return found


def test_every_point_is_in_the_code_and_every_call_is_a_point():
    assert len(set(NAMES)) == len(NAMES)
    assert set(calls()) == set(NAMES)
    assert all(point.state for point in POINTS)


def test_every_point_is_reached(process, tmp_path):
    """By a run, by a resumed one, or by a study; an enumeration that misses one proves nothing of it."""
    of_one = whole(process, experiment(folder(tmp_path, "one"), *FEW[0])).counts
    of_two = whole(process, study(folder(tmp_path, "two"), *FEW[:2], rounds=2)).counts
    assert set(of_one) | set(of_two) | RESUMING | {"claim.removed"} == set(NAMES)


def folder(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.mkdir()
    return path


# ---------------------------------------------------------------------------------------------------- the kills


@pytest.mark.parametrize(("method", "which"), zip(FEW, ("middle", "first", "last"), strict=True), ids=str)
def test_a_run_killed_at_any_point_resumes_to_the_same_bits(process, tmp_path, method, which):
    """The first time that any point is reached; of the others, a middle time within rounds, and around the end.

    All times of all points, and all methods, are below.
    """
    run = whole(process, experiment(tmp_path, *method))
    rooms = {"first": (), "middle": ("round.ledger", "round.board", "file.written"), "last": ("models", "end", "check")}
    kills = [kill for kill in places(run.counts, which) if kill[0].startswith(rooms[which] or kill[0])]
    check(process, [run.case(k, kill) for k, kill in enumerate(kills)])


def test_a_resumed_run_may_be_killed_too(process, tmp_path):
    run = whole(process, experiment(tmp_path, *FEW[1]))
    pairs = [(BEHIND_A_CHECKPOINT, [name, 0]) for name in (*sorted(RESUMING), "end.summary")]
    pairs += [(BEFORE_ONE, again) for again in (["claim.removed", 4], ["resume.manifest", 0])]
    pairs += [(["end.board", 0], ["end.board", 0])]
    check(process, [run.case(k, *pair) for k, pair in enumerate(pairs)])


def test_a_run_that_replaces_another_may_be_killed_while_it_removes_it(process, tmp_path):
    run = whole(process, experiment(tmp_path, *FEW[0]))
    kills = [["claim.removed", before] for before in (0, 7, 12)]
    check(process, [run.case(k, kill, used=True) for k, kill in enumerate(kills)])


def test_a_study_of_two_methods_killed_anywhere_between_them(process, tmp_path):
    run = whole(process, study(tmp_path, FEW[0], FEW[1], rounds=2))
    kills = [kill for kill in places(run.counts, "all") if kill[0].startswith("study")]
    kills += [["start.experiment", 0], ["start.partition", 2], ["round.board", 4], ["models.saved", 1]]
    check(process, [run.case(k, kill) for k, kill in enumerate(kills)])


def test_a_run_killed_at_any_time_resumes_to_the_same_bits(process, tmp_path):
    at_random_times(process, tmp_path, FEW[1], 4)


def at_random_times(process: Crasher, tmp_path: Path, method, count: int) -> None:
    """Half of them are killed once, half three times in a row."""
    run, draws = whole(process, experiment(tmp_path, *method)), random.Random(7)
    kills = [[draws.uniform(0.02, run.seconds) for _ in range(1 + 2 * (k % 2))] for k in range(count)]
    check(process, [run.case(k, *times) for k, times in enumerate(kills)])


# -------------------------------------------------------------------------------------------------- all methods

every_method = pytest.mark.parametrize(("name", "arguments"), ALL)


@pytest.mark.slow
@every_method
def test_every_method_at_every_point(process, tmp_path, name, arguments):
    run = whole(process, experiment(tmp_path, name, arguments))
    kills = places(run.counts, "first") + [kill for kill in places(run.counts, "middle") if kill[1]]
    check(process, [run.case(k, kill) for k, kill in enumerate(kills)])


@pytest.mark.slow
@pytest.mark.parametrize("method", FEW, ids=str)
def test_every_time_that_a_point_is_reached(process, tmp_path, method):
    run = whole(process, experiment(tmp_path, *method))
    check(process, [run.case(k, kill) for k, kill in enumerate(places(run.counts, "all"))])


@pytest.mark.slow
@every_method
def test_every_method_at_random_times(process, tmp_path, name, arguments):
    at_random_times(process, tmp_path, (name, arguments), 8)
