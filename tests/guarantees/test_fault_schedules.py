"""Ten thousand schedules of faults on toys: whatever goes wrong, nothing breaks a law, and events tell all of it."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.guarantees import fault_laws, replay_faults
from tests.guarantees.fault_case import METHODS, case
from tests.guarantees.fault_laws import REFUSED
from tests.guarantees.replay_faults import judged

SAMPLE, ALL, BLOCK = 150, 10_000, 500


def violations(first: int, last: int) -> tuple[list[str], Counter]:
    """The command and the broken laws of every case that breaks some, and how many were carried out or refused."""
    found, counts = [], Counter()
    for seed in range(first, last):
        laws = judged(seed)
        counts["refused" if laws == [REFUSED] else "carried out"] += 1
        if laws and laws != [REFUSED]:
            found.append(f"python -m tests.guarantees.replay_faults {seed}: {'; '.join(laws[:3])}")
    return found, counts


def test_a_sample_of_schedules_breaks_no_law():
    found, counts = violations(0, SAMPLE)
    assert not found, "\n".join(found)
    assert counts["carried out"] > 0.7 * SAMPLE
    assert counts["refused"]


@pytest.mark.slow
@pytest.mark.parametrize("first", range(SAMPLE, ALL + SAMPLE, BLOCK))
def test_schedules_break_no_law(first):
    found, counts = violations(first, first + BLOCK)
    assert not found, "\n".join(found)
    assert counts["carried out"] > 0.7 * BLOCK


def test_every_method_is_in_the_sample_and_every_fault_in_a_few():
    assert set(METHODS) == {case(seed).name for seed in range(SAMPLE)}
    drawn = Counter(key for seed in range(2 * SAMPLE) for key in case(seed).faults)
    assert min(drawn[key] for key in ("down", "churn", "quorum", "link_loss", "duplication", "straggling")) > 50
    assert min(drawn[key] for key in ("partitions", "delay", "lost_weight")) > 3
    assert str(case(7)) == str(case(7)) != str(case(7 + len(METHODS)))


def test_the_command_of_a_failure_shows_the_case_again():
    shown = subprocess.run(
        [sys.executable, "-m", "tests.guarantees.replay_faults", "3"], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    assert str(case(3)).splitlines()[0] in shown.stdout
    assert "all laws hold" in shown.stdout or REFUSED in shown.stdout


def test_an_error_in_a_run_names_its_command(monkeypatch):
    def broken(one):
        raise ValueError("no such thing")

    monkeypatch.setattr(replay_faults, "broken", broken)
    with pytest.raises(AssertionError, match=r"ValueError at: python -m tests.guarantees.replay_faults 5"):
        judged(5)


@pytest.mark.parametrize("law", ["_stillness", "_finite", "_traffic", "_sums", "_matrices"])
def test_a_broken_law_is_reported(law, monkeypatch):
    """Each law is asked in a run; that it can fail is shown where it is broken on purpose."""
    monkeypatch.setattr(fault_laws, law, lambda *_: ["broken on purpose"])
    seed = next(seed for seed in range(SAMPLE) if judged(seed) != [REFUSED])
    assert any("broken on purpose" in said for said in judged(seed))
