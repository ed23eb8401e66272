"""What a legal file asks for is worked out, or refused with one clear error, before anything is trained."""

from __future__ import annotations

import pytest
import torch

from swarmsim.check import check, render
from swarmsim.experiment import Study
from swarmsim.types import InputError
from tests.guarantees.input_case import INTERNAL, warm
from tests.guarantees.replay_input import run


@pytest.fixture(scope="module", autouse=True)
def warmed():
    warm()


def checked(study: Study) -> str | None:
    """What is wrong with how a study is taken: nothing if it gives a report, or one InputError."""
    try:
        report = check(study)
    except InputError as error:
        message = str(error)
        if not message or len(message) > 4_000 or not message.replace("\n", "").isprintable():
            return f"an error that is empty, long or unprintable: {message[:500]!r}"
        hit = INTERNAL.search(message)
        return f"an error that shows the inside: {hit[0]!r}" if hit and ".yaml" not in message else None
    return None if render(report) else "an empty report"


def many(kind: str, seed: int, count: int, folder) -> None:
    """Of all cases that are read, each has a report or a clear refusal; both happen."""
    failures, reports = [], 0
    for index, verdict, _ in run(kind, seed, count, folder):
        if verdict.study is None:
            continue
        again = f"python -m tests.guarantees.replay_input {kind} {seed} {index}"
        try:
            wrong = checked(verdict.study)
        except Exception as error:
            wrong = f"{type(error).__name__}: {error}"
        failures += [f"{wrong}: {again}"] if wrong else []
        reports += 1
    assert not failures, "\n".join(failures[:20])
    assert reports > count / 4


def test_legal_experiments_have_a_report_or_a_refusal(tmp_path):
    many("runnable", 1, 250, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3, 4])
def test_thousands_of_legal_experiments_have(tmp_path, seed):
    many("runnable", seed, 1_500, tmp_path)


@pytest.mark.slow
def test_mutated_experiment_files_have(tmp_path):
    """Real files, spoiled: their data and their models are as large as they are."""
    torch.set_num_threads(1)
    failures = []
    for index, verdict, _ in run("mutation", 5, 600, tmp_path):
        small = verdict.study is not None and (verdict.study.methods[0].institutions or 0) <= 50
        if small and (wrong := checked(verdict.study)):
            failures.append(f"{wrong}: python -m tests.guarantees.replay_input mutation 5 {index}")
    assert not failures, "\n".join(failures)
