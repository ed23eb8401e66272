"""What all rules have in common, on whole numbers, whose ties are frequent and whose sums are exact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.merge.centred_clipping import CentredClipping
from tests.merge.rules import RULES, M, equal, merged

every_rule = pytest.mark.parametrize("name", RULES)
SORTED = ("median", "trimmed_mean")  # of which the order of rows does not change a bit
LOOSE = {"geometric_median": 1e-5}  # where it is not unique, or nearly so, its iteration ends early


@st.composite
def groups(draw, most: int = 9):
    """(rows [m, d], weights [m], a permutation of the m rows)."""
    m, d = draw(st.integers(M, most)), draw(st.integers(1, 3))
    numbers = st.lists(st.integers(-9, 9), min_size=m * d, max_size=m * d)
    counts = draw(st.lists(st.integers(1, 5), min_size=m, max_size=m))
    rows = np.array(draw(numbers), dtype=float).reshape(m, d)
    return rows, np.array(counts) / sum(counts), np.array(draw(st.permutations(range(m))))


def near(name: str, value: np.ndarray):
    return pytest.approx(value, rel=0, abs=LOOSE.get(name, 1e-12))


@every_rule
@settings(max_examples=60, deadline=None)
@given(groups())
def test_the_order_of_rows_does_not_matter(name, group):
    rows, p, order = group
    before, after = merged(RULES[name], rows, p), merged(RULES[name], rows[order], p[order], centre=rows[0])
    assert after == near(name, before)
    assert name not in SORTED or np.array_equal(after, before)


@every_rule
@settings(max_examples=60, deadline=None)
@given(groups(), st.integers(-50, 50))
def test_it_moves_with_the_rows(name, group, shift):
    rows, p, _ = group
    assert merged(RULES[name], rows + shift, p) == near(name, merged(RULES[name], rows, p) + shift)


@every_rule
@settings(max_examples=60, deadline=None)
@given(groups(), st.sampled_from([0.25, 2.0, 64.0]))
def test_it_grows_with_the_rows(name, group, factor):
    rows, p, _ = group
    rule = RULES[name]
    grown = CentredClipping(tau=factor * rule.tau, iterations=2) if name == "centred_clipping" else rule
    assert merged(grown, factor * rows, p) / factor == near(name, merged(rule, rows, p))


@every_rule
@settings(max_examples=60, deadline=None)
@given(groups())
def test_it_lies_between_the_rows(name, group):
    rows, p, _ = group
    found = merged(RULES[name], rows, p)
    assert (rows.min(0) - 1e-12 <= found).all()
    assert (found <= rows.max(0) + 1e-12).all()


@every_rule
@settings(max_examples=60, deadline=None)
@given(groups())
def test_weights_count_where_they_are_said_to(name, group):
    rows, p, _ = group
    rule, flat = RULES[name], equal(len(rows))
    if not rule.weighted:
        assert np.array_equal(merged(rule, rows, p), merged(rule, rows, flat))
    lone = np.vstack([rows, [[1e3] * rows.shape[1]]])
    assert merged(rule, lone, [*p, 0.0]) == near(name, merged(rule, rows, p))


@every_rule
def test_weights_that_are_said_to_count_do(name):
    rows, p = np.random.default_rng(5).normal(size=(M, 3)), np.array([6, 1, 1, 1, 1, 1, 5]) / 16
    differs = np.abs(merged(RULES[name], rows, p) - merged(RULES[name], rows)).max() > 1e-3
    assert differs == RULES[name].weighted


ENOUGH = [(name, m) for name, rule in RULES.items() for m in (1, M) if rule.needs(m) is None]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("name", "m"), ENOUGH)
def test_inputs_stay_and_the_result_is_new(name, m, dtype):
    """Trap 34: an average that works in an alias of one of its inputs."""
    rule = RULES[name]
    rows = torch.randn(m, 4, dtype=dtype, generator=torch.Generator().manual_seed(3))
    weights, centre = torch.full((m,), 1 / m, dtype=torch.float64), rows[-1]
    kept, again = rows.clone(), rule.merge(rows, weights, centre)
    found = rule.merge(rows, weights, centre)
    assert found.dtype == dtype
    assert found.shape == (4,)
    assert torch.equal(found, again)
    assert torch.equal(rows, kept)
    assert torch.equal(weights, torch.full((m,), 1 / m, dtype=torch.float64))
    found += 1.0
    assert torch.equal(rows, kept)


@every_rule
def test_one_precision_agrees_with_the_other(name):
    rows = np.random.default_rng(1).normal(size=(M, 50)).astype(np.float32)
    single = RULES[name].merge(torch.tensor(rows), equal(M), torch.tensor(rows[0]))
    assert single.numpy() == pytest.approx(merged(RULES[name], rows), abs=1e-6)


@every_rule
def test_rows_that_agree_are_the_result(name):
    row = np.array([0.1, -3.0, 1e5])
    assert merged(RULES[name], np.tile(row, (M, 1))) == pytest.approx(row, rel=1e-15)
