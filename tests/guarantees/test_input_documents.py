"""Whatever a file or an override holds: a study comes out, or one clear error, and soon.

Every case is made from its kind, a seed and a number, so that it can be had again:
python -m tests.guarantees.replay_input KIND SEED INDEX
"""

from __future__ import annotations

from statistics import median

import pytest

from swarmsim.experiment import Study, read
from swarmsim.types import InputError
from tests.guarantees.input_case import EXPERIMENTS, Verdict, complaints, warm
from tests.guarantees.replay_input import run

FEW = {"document": 350, "bomb": 150, "shape": 300, "mutation": 400, "override": 200, "extends": 100}  # 1,500
MANY = {
    "document": 2_500,
    "bomb": 1_000,
    "shape": 2_000,
    "mutation": 3_000,
    "override": 1_000,
    "extends": 500,
}  # 10,000


@pytest.fixture(scope="module", autouse=True)
def warmed():
    warm()


def taken(kind: str, seed: int, count: int, folder) -> None:
    """Every case of a kind is a study or one clear error; both happen where both are possible."""
    verdicts, failures = [], []
    for index, verdict, wrong in run(kind, seed, count, folder):
        verdicts.append(verdict)
        failures += [f"{'; '.join(wrong)}: python -m tests.guarantees.replay_input {kind} {seed} {index}"] * bool(wrong)
    assert not failures, "\n".join(failures[:20])
    assert all(verdict.study is None or isinstance(verdict.study, Study) for verdict in verdicts)
    read = sum(verdict.study is not None for verdict in verdicts)
    assert read < count
    assert read > count / 50 or kind in ("document", "bomb", "extends")
    seconds = sorted(verdict.seconds for verdict in verdicts)
    print(
        f"{kind}: {count} cases, {read} studies, "
        f"median {median(seconds) * 1e3:.2f} ms, slowest {seconds[-1] * 1e3:.1f} ms"
    )


@pytest.mark.parametrize("kind", FEW)
def test_any_input_is_a_study_or_one_clear_error(kind, tmp_path):
    taken(kind, 1, FEW[kind], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize("kind", FEW)
def test_ten_thousand_inputs_are(kind, seed, tmp_path):
    taken(kind, seed, MANY[kind], tmp_path)


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("", "says nothing"),
        ("x\n" * 25, "says too much: 26 lines"),
        ("x" * 5_000, "says too much: 1 lines, 5000 characters"),
        ("a\x1b[31mb", "prints control characters"),
        ("1 validation error for Mine [pydantic]", "shows the inside: 'pydantic'"),
        ("must be <class 'int'>", "shows the inside: '<class'"),
    ],
)
def test_a_bad_message_would_be_noticed(message, says):
    assert says in "; ".join(complaints(Verdict(None, message, 0.0)))


def test_a_slow_reading_would_be_noticed():
    assert complaints(Verdict(None, "no", 0.2)) == ["took 200 ms"]
    assert complaints(Verdict(None, "no", 0.05)) == []


@pytest.mark.parametrize("path", ["a." * 5_000 + "b", "methods." + "9" * 5_000, "faults" + ".x" * 100_000])
def test_a_path_of_many_steps_or_digits_is_refused(path):
    with pytest.raises(InputError) as caught:
        read(EXPERIMENTS / "quickstart.yaml", [f"{path}=1"])
    assert not complaints(Verdict(None, str(caught.value), 0.0))
