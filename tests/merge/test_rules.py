"""Each rule against numpy, scipy, closed forms, or its definition spelled out in plain Python."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.stats import trim_mean

from swarmsim.merge.bulyan import Bulyan
from swarmsim.merge.centred_clipping import CentredClipping
from swarmsim.merge.geometric_median import GeometricMedian
from swarmsim.merge.krum import Krum
from swarmsim.merge.mean import Mean
from swarmsim.merge.median import Median
from swarmsim.merge.trimmed_mean import TrimmedMean
from swarmsim.network.net import weighted_sum
from swarmsim.types import InputError
from tests.merge.rules import equal, merged

SIZES = range(1, 16)


def drawn(m: int, d: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([m, d, seed]).normal(size=(m, d))


def shares(counts) -> np.ndarray:
    return np.array(counts) / sum(counts)


class TestMean:
    @pytest.mark.parametrize("m", SIZES)
    def test_numpy(self, m):
        p = shares(range(1, m + 1))
        assert merged(Mean(), drawn(m), p) == pytest.approx(np.average(drawn(m), axis=0, weights=p), abs=1e-14)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    def test_the_same_bits_as_the_average_of_the_net(self, dtype):
        rows, p = torch.tensor(drawn(7), dtype=dtype), shares([3, 1, 4, 1, 5, 9, 2]).tolist()
        assert torch.equal(Mean().merge(rows, p), weighted_sum(p, list(rows)))


class TestMedian:
    @pytest.mark.parametrize("m", SIZES)
    def test_numpy(self, m):
        assert np.array_equal(merged(Median(), drawn(m)), np.median(drawn(m), axis=0))

    @pytest.mark.parametrize(
        "counts", [(1, 2, 3), (4, 1, 1), (3, 3), (5, 1, 2, 2), (1, 1, 1, 1, 1, 1, 8), (2, 4, 1, 7)]
    )
    def test_a_weight_is_a_number_of_equal_rows(self, counts):
        rows = drawn(len(counts))
        assert np.array_equal(merged(Median(), rows, shares(counts)), np.median(np.repeat(rows, counts, 0), axis=0))

    @pytest.mark.parametrize("m", [6, 7, 10, 18, 30])
    def test_weights_in_single_precision(self, m):
        weights = torch.tensor(equal(m), dtype=torch.float32)
        assert np.array_equal(Median().merge(torch.tensor(drawn(m)), weights), np.median(drawn(m), axis=0))

    @pytest.mark.parametrize("k", [9, 13])
    def test_half_the_weight_is_half_though_fractions_do_not_add_up_in_binary(self, k):
        """As computed, 9 times 1/18 is above a half, and 13 times 1/26 below."""
        rows = np.arange(k + 1.0)[:, None]
        assert merged(Median(), rows, [1 / (2 * k)] * k + [0.5]) == [k - 0.5]


class TestTrimmedMean:
    @pytest.mark.parametrize(("m", "b"), [(1, 0), (3, 1), (4, 1), (7, 2), (15, 7), (15, 3), (6, 0)])
    def test_scipy(self, m, b):
        expected = trim_mean(drawn(m), (b + 0.5) / m, axis=0)  # scipy cuts int(proportion m) at each end
        assert merged(TrimmedMean(trim=b), drawn(m)) == pytest.approx(expected, abs=1e-14)

    def test_weights_of_the_rows_that_stay(self):
        rows, p = [[5.0, 0.0], [1.0, 1.0], [3.0, 9.0], [2.0, 4.0]], [0.1, 0.2, 0.3, 0.4]
        by_hand = [(0.3 * 3 + 0.4 * 2) / 0.7, (0.2 * 1 + 0.4 * 4) / 0.6]
        assert merged(TrimmedMean(trim=1), rows, p) == pytest.approx(by_hand, abs=1e-15)

    def test_of_equal_values_the_light_ones_come_first_whatever_the_order_of_rows(self):
        rows, p = np.array([[1.0], [1.0], [2.0]]), np.array([0.5, 0.2, 0.3])
        for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
            assert merged(TrimmedMean(trim=1), rows[order], p[order]) == [1.0]
        rows, p = np.array([[1.0], [1.0], [2.0], [5.0]]), np.array([0.5, 0.1, 0.2, 0.2])
        for order in ([0, 1, 2, 3], [1, 0, 2, 3]):
            by_hand = (0.5 * 1 + 0.2 * 2) / 0.7  # 0.1 is left out, not 0.5
            assert merged(TrimmedMean(trim=1), rows[order], p[order]) == pytest.approx(by_hand, abs=1e-15)

    def test_nothing_left_out_is_the_mean_and_all_but_one_the_median(self):
        rows, p = drawn(7), shares([3, 1, 4, 1, 5, 9, 2])
        assert merged(TrimmedMean(trim=0), rows, p) == pytest.approx(merged(Mean(), rows, p), abs=1e-14)
        assert merged(TrimmedMean(trim=3), rows) == pytest.approx(np.median(rows, axis=0), abs=1e-15)


def sums_of(rows: np.ndarray, f: int, power: float) -> list[float]:
    """For each row the smallest sum of its distances, to a power, from any m - f - 2 other rows: all are tried."""
    m, found = len(rows), []
    for i in range(m):
        others = [math.dist(rows[i], rows[j]) ** power for j in range(m) if j != i]
        found.append(min(sum(chosen) for chosen in combinations(others, m - f - 2)))
    return found


class TestKrum:
    @pytest.mark.parametrize(("m", "f"), [(5, 1), (6, 1), (7, 2), (7, 0), (8, 2), (9, 3), (4, 0)])
    @pytest.mark.parametrize("keep", [1, 2])
    def test_all_subsets(self, m, f, keep):
        for seed in range(20):
            rows = drawn(m, 2, seed)
            order = np.argsort(sums_of(rows, f, 2))
            expected = rows[order[:keep]].mean(0)
            assert merged(Krum(byzantine=f, keep=keep), rows) == pytest.approx(expected, abs=1e-15)

    def test_squares_once_and_returns_a_row(self):
        """Trap 39: fourth powers, plain distances and sums would pick other rows, or none."""
        twice = plain = 0
        for seed in range(300):
            rows = drawn(7, 2, seed)
            best, fourth, first = (int(np.argmin(sums_of(rows, 2, power))) for power in (2, 4, 1))
            assert np.array_equal(merged(Krum(byzantine=2), rows), rows[best])
            twice, plain = twice + (fourth != best), plain + (first != best)
        assert min(twice, plain) > 10

    def test_ties_are_averaged(self):
        assert merged(Krum(byzantine=0), [[0.0], [1.0], [9.0]]) == [0.5]
        assert merged(Krum(byzantine=0), [[9.0], [1.0], [0.0]]) == [0.5]
        assert merged(Krum(byzantine=1), np.full((6, 3), 0.1)) == pytest.approx(np.full(3, 0.1), abs=1e-16)

    def test_weights_do_not_count(self):
        assert np.array_equal(
            merged(Krum(byzantine=1, keep=2), drawn(5), shares([9, 1, 1, 1, 1])),
            merged(Krum(byzantine=1, keep=2), drawn(5)),
        )


class TestBulyan:
    @pytest.mark.parametrize(("m", "f"), [(3, 0), (7, 1), (8, 1), (11, 2)])
    def test_spelled_out(self, m, f):
        for seed in range(10):
            rows = drawn(m, 3, seed)
            chosen = rows[np.argsort(sums_of(rows, f, 2))[: m - 2 * f]] if m > 3 else rows
            expected = []
            for column in chosen.T:
                near = column[np.argsort(np.abs(column - np.median(column)))]
                expected.append(np.mean(near[: m - 4 * f]))
            assert merged(Bulyan(byzantine=f), rows) == pytest.approx(expected, abs=1e-15)

    def test_an_attacker_that_krum_keeps_is_cut_in_its_one_coordinate(self):
        """Sitting among the others in all coordinates but one: multi-Krum averages it, Bulyan does not."""
        rows = 10 * drawn(11, 50)
        rows[3] = rows[[i for i in range(11) if i != 3]].mean(0)
        rows[3, 7] += 40.0
        honest = np.delete(rows[:, 7], 3)
        assert merged(Krum(byzantine=2, keep=1), rows)[7] == rows[3, 7] > honest.max()
        assert honest.min() < merged(Bulyan(byzantine=2), rows)[7] < honest.max()


def total(rows: np.ndarray, p, at: np.ndarray) -> float:
    return float(np.dot(p, np.linalg.norm(rows - at, axis=1)))


class TestGeometricMedian:
    def test_crossing_of_the_diagonals_of_a_quadrilateral(self):
        rows = [[0.0, 0.0], [6.0, 2.0], [4.0, 5.0], [-1.0, 3.0]]
        t = np.linalg.solve(np.array([[4.0, 7.0], [5.0, -1.0]]), [6.0, 2.0])[0]  # t (4, 5) = (6, 2) - s (7, -1)
        assert merged(GeometricMedian(), rows) == pytest.approx(t * np.array([4.0, 5.0]), abs=1e-9)

    def test_the_point_from_which_an_equilateral_triangle_is_seen_under_120_degrees(self):
        rows = [[0.0, 0.0], [1.0, 0.0], [0.5, math.sqrt(3) / 2]]
        assert merged(GeometricMedian(), rows) == pytest.approx([0.5, math.sqrt(3) / 6], abs=1e-10)

    def test_it_is_a_row_where_that_is_the_minimum(self):
        blunt = [[0.0, 0.0], [5.0, 1.0], [-5.0, 1.0]]  # an angle above 120 degrees
        assert merged(GeometricMedian(), blunt) == pytest.approx([0.0, 0.0], abs=1e-9)
        inside = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [1.0, 1.0]]
        assert merged(GeometricMedian(), inside) == pytest.approx([1.0, 1.0], abs=1e-9)

    @pytest.mark.parametrize("turned", [0.3, 1.0, 2.5])
    def test_it_reaches_a_row_that_is_only_just_the_minimum(self, turned):
        """An angle of 120.2 degrees, at which every step of Weiszfeld's goes 0.3 percent of the way."""
        arms = np.radians([0.0, 120.2]) + turned
        rows = np.array([[1.0, 2.0], [1.0 + np.cos(arms[0]), 2.0 + np.sin(arms[0])],
                         [1.0 + 3 * np.cos(arms[1]), 2.0 + 3 * np.sin(arms[1])]])  # fmt: skip
        assert not np.array_equal(np.median(rows, axis=0), rows[0])
        assert merged(GeometricMedian(), rows) == pytest.approx([1.0, 2.0], abs=1e-14)

    def test_it_leaves_a_row_where_the_iteration_starts_but_that_is_not_the_minimum(self):
        rows = np.array([[0.0, 0.0, 0.0], [9.0, -1.0, -1.0], [-1.0, 9.0, -1.0], [-1.0, -1.0, 9.0], [1.0, 1.0, 1.0]])
        rows[4] *= 2
        assert np.array_equal(np.median(rows, axis=0), rows[0])
        found = merged(GeometricMedian(), rows)
        assert found[0] > 0.1
        assert total(rows, equal(5), found) < total(rows, equal(5), rows[0]) - 0.01

    @pytest.mark.parametrize(("m", "d"), [(3, 2), (5, 3), (8, 2), (15, 40), (6, 5)])
    def test_nothing_better_is_found_and_a_newton_step_does_not_move_it(self, m, d):
        rows, p = drawn(m, d), shares(range(2, m + 2))
        found = merged(GeometricMedian(), rows, p)
        other = minimize(lambda v: total(rows, p, v), rows.mean(0), method="BFGS", options={"gtol": 1e-9})
        assert found == pytest.approx(other.x, abs=1e-5)
        assert total(rows, p, found) <= other.fun + 1e-14
        near, p = torch.tensor(found), torch.tensor(p)
        loss = lambda v: (p * torch.linalg.vector_norm(torch.tensor(rows) - v, dim=1)).sum()  # noqa: E731
        newton = torch.linalg.solve(torch.func.hessian(loss)(near), torch.func.grad(loss)(near))
        assert float(newton.abs().max()) < 2e-9

    def test_degenerate(self):
        assert merged(GeometricMedian(), [[1.0, 2.0]]) == pytest.approx([1.0, 2.0], abs=0)
        assert merged(GeometricMedian(), [[0.0, 2.0], [4.0, 0.0]]) == pytest.approx([2.0, 1.0], abs=1e-15)
        assert merged(GeometricMedian(), [[0.0, 2.0], [4.0, 0.0]], [0.4, 0.6]) == pytest.approx([4.0, 0.0], abs=0)
        assert merged(GeometricMedian(), np.full((5, 2), 0.1)) == pytest.approx([0.1, 0.1], abs=0)
        assert merged(GeometricMedian(), [[1.0], [2.0], [4.0], [9.0], [30.0]]) == pytest.approx([4.0], abs=1e-9)

    def test_it_ends_after_so_many_iterations(self):
        rows = drawn(5)
        start, exact = np.median(rows, axis=0), merged(GeometricMedian(), rows)
        once, twice = (np.linalg.norm(merged(GeometricMedian(iterations=k), rows) - exact) for k in (1, 2))
        assert np.linalg.norm(start - exact) > once > twice > 1e-10

    def test_single_precision_is_the_double_one_rounded(self):
        rows = drawn(6, 50).astype(np.float32)
        single = GeometricMedian().merge(torch.tensor(rows), equal(6)).numpy()
        assert np.array_equal(single, merged(GeometricMedian(), rows).astype(np.float32))

    def test_far_from_0_it_is_as_good(self):
        rows = np.round(drawn(6) * 1024) / 1024  # so that the sum with 2^30 is exact
        assert merged(GeometricMedian(), rows + 2.0**30) - 2.0**30 == pytest.approx(
            merged(GeometricMedian(), rows), abs=1e-6
        )


class TestCentredClipping:
    def test_by_hand(self):
        rows = [[0.0], [1.0], [10.0]]
        assert merged(CentredClipping(tau=2.0), rows, centre=[0.0]) == pytest.approx([1.0], abs=1e-15)
        assert merged(CentredClipping(tau=2.0, iterations=2), rows, centre=[0.0]) == pytest.approx([4 / 3], abs=1e-15)

    def test_a_large_tau_is_the_mean_wherever_it_starts(self):
        p = shares([3, 1, 4, 1, 5])
        for centre in (np.zeros(4), drawn(5)[2]):
            assert merged(CentredClipping(tau=1e3), drawn(5), p, centre) == pytest.approx(
                merged(Mean(), drawn(5), p), abs=1e-14
            )

    def test_it_is_a_step_down_the_huber_loss_of_the_distances(self):
        rows, p, centre = torch.tensor(drawn(6)), torch.tensor(shares([3, 1, 4, 1, 5, 9])), torch.tensor(drawn(1)[0])
        centre.requires_grad_()
        distance = torch.linalg.vector_norm(rows - centre, dim=1)
        loss = torch.nn.functional.huber_loss(distance, torch.zeros(6).double(), reduction="none", delta=2.38)
        (gradient,) = torch.autograd.grad((p * loss).sum(), centre)
        assert 0 < int((distance > 2.38).sum()) < 6
        moved = CentredClipping(tau=2.38).merge(rows, p, centre.detach())
        assert torch.allclose(moved, centre.detach() - gradient, rtol=0, atol=1e-14)

    def test_it_needs_a_centre(self):
        with pytest.raises(ValueError, match="give centre"):
            CentredClipping(tau=1.0).merge(torch.zeros(2, 3), equal(2))


@pytest.mark.parametrize(
    ("rule", "m", "says"),
    [
        (Krum(byzantine=1), 4, "krum with byzantine: 1 needs 2 f + 3 = 5 rows, and there are 4; write byzantine: 0"),
        (Krum(byzantine=7), 15, "needs 2 f + 3 = 17 rows, and there are 15; write byzantine: 6"),
        (Krum(byzantine=0), 2, "needs 2 f + 3 = 3 rows, and there are 2; write use: median"),
        (Krum(byzantine=1, keep=4), 6, "can keep m - f - 2 = 3 of 6 rows, not 4; write keep: 3"),
        (Bulyan(byzantine=1), 6, "needs 4 f + 3 = 7 rows, and there are 6; write byzantine: 0"),
        (Bulyan(byzantine=4), 15, "needs 4 f + 3 = 19 rows, and there are 15; write byzantine: 3"),
        (Bulyan(byzantine=0), 2, "write use: median"),
        (TrimmedMean(trim=2), 4, "needs 2 b + 1 = 5 rows, and there are 4; write trim: 1 or less"),
        (TrimmedMean(trim=1), 1, "needs 2 b + 1 = 3 rows, and there are 1; write trim: 0"),
    ],
)
def test_too_few_rows(rule, m, says):
    assert says in rule.needs(m)
    assert rule.needs(m + 4) is None
    with pytest.raises(InputError, match=r"^merge: "):
        rule.merge(torch.zeros(m, 2), equal(m))


@pytest.mark.parametrize(
    ("rule", "m"), [(Krum(byzantine=6), 15), (Krum(byzantine=1, keep=3), 6), (Bulyan(byzantine=3), 15),
                    (TrimmedMean(trim=7), 15), (Mean(), 1), (Median(), 1), (GeometricMedian(), 1)],
)  # fmt: skip
def test_just_enough_rows(rule, m):
    assert rule.needs(m) is None
    rule.merge(torch.zeros(m, 2), equal(m))


@pytest.mark.parametrize(
    ("rows", "weights", "says"),
    [
        (torch.zeros(3, 2), [0.5, 0.5], "do not fit"),
        (torch.zeros(2, 2, dtype=torch.int64), [0.5, 0.5], "int64"),
        (torch.zeros(2, 2), [0.5, 0.6], "sum to 1"),
        (torch.zeros(2, 2), [1.5, -0.5], "at least 0"),
        (torch.zeros(2, 2), [math.nan, 1.0], "at least 0"),
    ],
)
def test_what_is_not_rows_and_weights_is_refused(rows, weights, says):
    with pytest.raises(ValueError, match=says):
        Median().merge(rows, weights)
