"""Institutions of given sizes and prevalence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from swarmsim.partition.prevalence import Prevalence
from swarmsim.rng import stream
from swarmsim.types import InputError
from tests.data.examples import labelled

LABELS = np.array([0] * 500 + [1] * 300)


def assign(partition: Prevalence, labels=LABELS, n: int | None = None):
    return partition.assign(labelled(labels), n, stream(0, "partition"))


def test_the_nature_scenario_of_three_sites():
    """50, 1 and 70 % positive, equal sites: 300 positive examples are enough for 247 examples a site."""
    held = assign(Prevalence(positive=(0.5, 0.01, 0.7))).indices
    sizes = [len(rows) for rows in held]
    assert sizes == [247, 247, 247]
    assert [int(LABELS[rows].sum()) for rows in held] == [124, 2, 173]


def test_sites_with_10_30_and_60_percent_of_the_data():
    held = assign(Prevalence(positive=(0.375,) * 3, sizes=(1, 3, 6))).indices
    assert [len(rows) for rows in held] == [80, 240, 480]
    assert [int(LABELS[rows].sum()) for rows in held] == [30, 90, 180]


@settings(max_examples=60, deadline=None)
@given(
    rates=st.lists(st.floats(0, 1), min_size=1, max_size=6),
    sizes=st.lists(st.floats(0.5, 4), min_size=6, max_size=6),
    ill=st.integers(30, 200),
    well=st.integers(30, 200),
)
def test_shares_are_met_to_an_example_and_no_example_is_held_twice(rates, sizes, ill, well):
    labels = np.array([1] * ill + [0] * well)
    held = assign(Prevalence(positive=tuple(rates), sizes=tuple(sizes[: len(rates)])), labels).indices
    together = np.concatenate(held)
    assert len(np.unique(together)) == len(together)
    for rate, rows in zip(rates, held, strict=True):
        assert abs(labels[rows].sum() - rate * len(rows)) <= 0.5 + 1e-9
    left = np.setdiff1d(np.arange(len(labels)), together)
    spent = [kind for kind in (0, 1) if (labels[left] == kind).sum() <= 3 * len(rates)]
    assert spent  # as many as there are of one kind


def test_another_class_may_be_the_positive_one():
    data = labelled(LABELS)
    held = Prevalence(positive=(0.9, 0.1), label=data.classes[0]).assign(data, None, stream(0, "partition")).indices
    assert [round(float((LABELS[rows] == 0).mean()), 2) for rows in held] == [0.9, 0.1]


@pytest.mark.parametrize(
    ("given", "n", "says"),
    [
        ({"positive": (0.5, 0.5)}, 3, "names 2 institutions"),
        ({"positive": (0.5,), "label": "clas-1"}, None, "no class"),
        ({"positive": (1e-9, 1.0), "sizes": (1, 1e9)}, None, "leave none"),
    ],
)
def test_what_cannot_be_is_refused(given, n, says):
    with pytest.raises(InputError, match=says):
        assign(Prevalence(**given), n=n)


def test_sizes_and_prevalences_belong_together():
    with pytest.raises(ValidationError, match="3 numbers for 2"):
        Prevalence(positive=(0.1, 0.2), sizes=(1, 2, 3))
