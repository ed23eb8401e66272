"""How many arbitrary rows carry a rule away: 15 institutions, attackers at a million (the table of robust rules)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.merge.bulyan import Bulyan
from swarmsim.merge.centred_clipping import CentredClipping
from swarmsim.merge.geometric_median import GeometricMedian
from swarmsim.merge.krum import Krum
from swarmsim.merge.mean import Mean
from swarmsim.merge.median import Median
from swarmsim.merge.trimmed_mean import TrimmedMean
from tests.merge.rules import equal, merged

N, D, FAR = 15, 6, 1e6
HOLDS = [
    (Mean(), 0), (Krum(byzantine=6), 6), (Krum(byzantine=3, keep=10), 3), (Bulyan(byzantine=3), 3), (Median(), 7),
    (TrimmedMean(trim=7), 7), (TrimmedMean(trim=2), 2), (GeometricMedian(), 7), (CentredClipping(tau=4.0), 7),
]  # fmt: skip
BREAKS = [(Mean(), 1), (Krum(byzantine=6), 8), (Median(), 8), (TrimmedMean(trim=7), 8), (TrimmedMean(trim=2), 3),
          (GeometricMedian(), 8)]  # fmt: skip


def attacks(f: int) -> dict[str, np.ndarray]:
    """Rows [f, D] of attackers: all in one place, each elsewhere, too large to square, and no numbers at all."""
    rng = np.random.default_rng(f)
    mixed = np.full((f, D), np.inf)
    mixed[::2], mixed[1::3] = np.nan, -np.inf
    return {
        "together": np.full((f, D), FAR), "apart": FAR * rng.normal(size=(f, D)),
        "huge": np.full((f, D), 1e200) * rng.choice([-1.0, 1.0], size=(f, D)), "infinite": np.full((f, D), np.inf),
        "no number": np.full((f, D), np.nan), "mixed": mixed, "one coordinate": np.eye(f, D) * np.nan_to_num(np.inf),
    }  # fmt: skip


def among(f: int, attack: str) -> tuple[np.ndarray, np.ndarray]:
    """(honest rows, all rows with the attackers in the middle)."""
    honest = np.random.default_rng(0).normal(size=(N - f, D))
    return honest, np.concatenate([honest[:3], attacks(f)[attack], honest[3:]])


@pytest.mark.parametrize("attack", attacks(1))
@pytest.mark.parametrize(("rule", "f"), HOLDS, ids=lambda value: str(value))
def test_it_holds(rule, f, attack):
    assert rule.breakdown(N) == f
    assert rule.needs(N) is None
    honest, rows = among(f, attack)
    radius = np.linalg.norm(honest - honest.mean(0), axis=1).max()
    found = merged(rule, rows)
    share = f / N
    assert np.linalg.norm(found - honest.mean(0)) <= 2 * (1 - share) / (1 - 2 * share) * radius


@pytest.mark.parametrize(("rule", "f"), BREAKS, ids=lambda value: str(value))
def test_one_more_carries_it_away(rule, f):
    _, rows = among(f, "together")
    assert np.linalg.norm(merged(rule, rows)) > FAR / 20


def test_centred_clipping_is_carried_away_step_by_step_by_a_majority_alone():
    def moved(f: int, iterations: int) -> float:
        rule, (_, rows) = CentredClipping(tau=1.0, iterations=iterations), among(f, "together")
        return float(np.linalg.norm(merged(rule, rows)))

    assert moved(8, 2000) > moved(8, 1000) + 10
    assert moved(7, 2000) == pytest.approx(moved(7, 1000), abs=1e-6)


def test_no_attacker_leads_farther_than_tau_in_an_iteration():
    for f in range(1, N):
        _, rows = among(f, "together")
        rule = CentredClipping(tau=0.5, iterations=3)
        assert np.linalg.norm(merged(rule, rows) - rows[0]) <= 1.5 + 1e-12


@pytest.mark.parametrize("rule", [Mean(), Median(), TrimmedMean(trim=2), GeometricMedian(), Krum(byzantine=2)])
def test_where_nobody_has_numbers_the_result_is_none(rule):
    """Merging does not hide that a run has diverged."""
    assert not torch.isfinite(rule.merge(torch.full((N, D), torch.nan), equal(N))).any()


@pytest.mark.parametrize("rule", [rule for rule, _ in HOLDS], ids=str)
@pytest.mark.parametrize("m", range(1, 20))
def test_never_half_of_the_rows(rule, m):
    assert rule.needs(m) or 0 <= rule.breakdown(m) < m / 2
