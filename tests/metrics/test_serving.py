"""Forgetting in split learning, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from swarmsim.metrics.serving import backward_transfer, by_position, performance_gap
from swarmsim.types import InputError

NAN = math.nan


def test_the_performance_gap_is_the_best_recall_minus_the_mean():
    assert performance_gap({0: 0.9, 1: 0.6, 2: 0.3}) == pytest.approx(0.3)
    assert performance_gap({0: 0.7, 1: 0.7}) == 0
    assert performance_gap({3: 1.0, 0: 0.0, 1: 0.0, 2: 0.0}) == 0.75  # only the label served last is known


def test_the_performance_gap_is_of_the_labels_that_have_a_recall():
    assert performance_gap({0: 0.9, 1: NAN, 2: 0.5}) == pytest.approx(0.2)
    assert performance_gap({0: NAN}) is None
    assert performance_gap({}) is None


def test_backward_transfer_by_hand():
    """Served 2, 0, 1: institution 2 falls from 0.9 to 0.4, institution 0 from 0.8 to 0.7; 1 had the last turn."""
    after = np.array([[0.1, 0.2, 0.9], [0.8, 0.3, 0.6], [0.7, 0.95, 0.4]])
    assert backward_transfer(after, [2, 0, 1]) == pytest.approx((-0.5 - 0.1) / 2)
    assert backward_transfer(after[::-1], [1, 0, 2]) == pytest.approx((0.2 - 0.95 + 0.1 - 0.8) / 2)


def test_backward_transfer_is_positive_where_later_turns_help_and_zero_where_they_do_nothing():
    assert backward_transfer(np.array([[0.5, 0.0], [0.75, 0.9]]), [0, 1]) == 0.25
    assert backward_transfer(np.tile([0.2, 0.4, 0.6], (3, 1)), [1, 2, 0]) == 0


def test_backward_transfer_of_some_institutions_of_many():
    """Institutions 0 and 3 had no turn; their columns do not count."""
    after = np.array([[9.0, 0.5, 0.0, 9.0], [7.0, 0.4, 0.9, 5.0]])
    assert backward_transfer(after, [1, 2]) == pytest.approx(-0.1)


def test_backward_transfer_leaves_out_what_was_not_measured():
    after = np.array([[0.5, NAN, NAN], [NAN, NAN, NAN], [0.3, 0.6, 0.9]])
    assert backward_transfer(after, [0, 1, 2]) == pytest.approx(-0.2)
    assert backward_transfer(np.full((3, 3), NAN), [0, 1, 2]) is None


def test_nobody_forgets_in_one_turn_or_none():
    assert backward_transfer(np.array([[0.5, 0.5]]), [1]) is None
    assert backward_transfer(np.empty((0, 2)), []) is None


@pytest.mark.parametrize(("shape", "order"), [((2, 3), [0, 1, 2]), ((2, 2), [0, 2]), ((2, 2), [-1, 0]), ((2,), [0, 1])])
def test_accuracies_that_do_not_fit_the_order_are_refused(shape, order):
    with pytest.raises(InputError, match="a row for each turn and a column for each institution"):
        backward_transfer(np.zeros(shape), order)


def test_values_by_serving_position():
    assert by_position({0: 0.3, 1: 0.1, 2: 0.2}, [1, 2, 0]) == [0.1, 0.2, 0.3]
    assert by_position({0: 0.3}, [0, 0]) == [0.3, 0.3]
    first, second = by_position({0: 0.3}, [1, 0])
    assert math.isnan(first)
    assert second == 0.3
