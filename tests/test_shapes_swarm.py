"""Slow: the shapes of swarm learning that experiments/README.md reports, on means over seeds or in closed form."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from swarmsim.experiment import read
from swarmsim.log.files import read_json
from swarmsim.study import run_study
from tests.test_shapes import EXPERIMENTS, finals, mean_of

pytestmark = pytest.mark.slow


def worst_of(seeds: list[dict], split: str, metric: str) -> dict[str, float]:
    """{method: mean over seeds of the worst institution's value}"""
    return {m: float(np.mean([seed[m][split][metric]["worst"] for seed in seeds])) for m in seeds[0]}


@pytest.mark.parametrize("scenario", ["equal", "prevalence", "sizes", "six"])
def test_a_swarm_is_above_the_mean_and_the_worst_hospital(tmp_path, scenario):
    """Warnat-Herresthal et al. 2021 in shape: AUROC on the test sets of all hospitals together, in every seed."""
    for seed in finals(tmp_path, f"swarm/nature_{scenario}"):
        alone, swarm = seed["alone"]["pooled"]["auroc"], seed["swarm"]["pooled"]["auroc"]
        assert swarm["worst"] > alone["mean"] > alone["worst"], (alone, swarm)


def test_a_hospital_without_patients_of_a_kind_misses_them_until_it_joins(tmp_path):
    """The same, prevalence of 1 %: alone it calls everybody healthy, although its AUROC is far above chance."""
    seeds = finals(tmp_path, "swarm/nature_prevalence")
    alone, swarm = (
        {metric: float(np.mean([_starved(seed, method, metric) for seed in seeds])) for metric in METRICS}
        for method in ("alone", "swarm")
    )
    assert alone["sensitivity"] < 0.1 < 0.9 < alone["specificity"], alone
    assert alone["auroc"] > 0.65, alone
    assert swarm["sensitivity"] > 0.5, swarm


METRICS = ("auroc", "sensitivity", "specificity")


def _starved(seed: dict, method: str, metric: str) -> float:
    return seed[method]["pooled"][metric]["per_institution"]["institution-1"]


# ------------------------------------------------------------------------------------------- closed forms

N = 16
RHO = {  # second largest singular values of the mixing matrices of 16 institutions
    "ring": 1 / 3 + 2 / 3 * math.cos(2 * math.pi / N),
    "star": 1 - 1 / N,
    "torus": 0.6,
    "hypercube": 1 - 2 / (math.log2(N) + 1),
    "exponential": 1 - 2 / (math.log2(N) + 1),  # Ying et al. 2021
}
START = math.sqrt((N**2 - 1) / 12)  # the distance of 0, 1, ..., N - 1 from their mean


def consensus_distances(folder) -> dict[int, float]:
    """{round: consensus distance}"""
    with open(folder / "metrics.csv", encoding="utf-8", newline="") as file:
        return {
            int(row["round"]): float(row["value"])
            for row in csv.DictReader(file)
            if row["metric"] == "consensus_distance"
        }


def test_the_consensus_distance_falls_as_rho_to_the_t(tmp_path):
    """Never above rho^t times that of the start, in the end by rho a round; finite-time graphs reach 0."""
    run_study(read(EXPERIMENTS / "swarm/consensus_rate.yaml"), tmp_path / "out")
    for label, rho in RHO.items():
        distance = consensus_distances(tmp_path / "out" / label)
        assert all(distance[t] <= START * rho**t * (1 + 1e-9) for t in range(1, 31)), label
        assert distance[30] / distance[29] == pytest.approx(rho, rel=0.01), label
    for label in ("one-peer-exponential", "base-2"):
        distance = consensus_distances(tmp_path / "out" / label)
        assert distance[3] > 0.1 > 1e-12 > distance[4], label


def test_corrections_reach_the_optimum_where_dpsgd_is_biased(tmp_path):
    """Excess of the pooled loss = mean (x_i - 3.5)^2 / 2; with W of the ring, in closed form where it is not 0."""
    run_study(read(EXPERIMENTS / "swarm/corrections.yaml"), tmp_path / "out")
    scores = {m: s["scores"]["local"] for m, s in read_json(tmp_path / "out" / "summary.json")["methods"].items()}
    excess = {method: splits["pooled"]["loss"]["final"] - 2.625 for method, splits in scores.items()}
    a, lr, one = np.arange(8.0), 0.1, np.eye(8)
    w = (one + np.roll(one, 1, axis=0) + np.roll(one, -1, axis=0)) / 3
    fixed = {
        "adapt-then-combine": np.linalg.solve(one - (1 - lr) * w, lr * w @ a),
        "combine-then-adapt": np.linalg.solve((1 + lr) * one - w, lr * a),
    }
    for method, x in fixed.items():
        assert excess.pop(method) == pytest.approx(np.mean((x - 3.5) ** 2) / 2, rel=1e-6), method
    assert excess.pop("quasi-global") == pytest.approx(0.541602**2 / 2, rel=1e-5)
    assert excess.pop("local-momentum") > 0.3
    assert len(excess) == 5
    assert max(map(abs, excess.values())) < 1e-5, excess


# --------------------------------------------------------------------------------------- graphs and skew


def test_skew_costs_the_worst_institution_on_a_ring_and_nobody_on_faster_graphs(tmp_path):
    """RelaySGD's table in shape: worst accuracy on the pooled test set, no skew against 90 and 10 % ill patients."""
    even = finals(tmp_path, "swarm/graphs_and_skew", f"partition.positive={[0.5] * 16}")
    skewed = finals(tmp_path, "swarm/graphs_and_skew")
    before, after = (worst_of(seeds, "pooled", "accuracy") for seeds in (even, skewed))
    assert before["ring"] - after["ring"] > 0.2, (before, after)
    for graph in ("exponential", "one-peer-exponential", "complete"):
        assert before[graph] - after[graph] < 0.05, (before, after)
    assert after["ring-quasi-global"] > after["ring"] + 0.03, after


def test_a_robust_rule_stops_learning_across_a_bridge(tmp_path):
    """He et al. (ClippedGossip) in shape: cliques apart, no attacker, accuracy on the pooled test set."""
    seeds = finals(tmp_path, "swarm/dumbbell")
    accuracy, loss = (mean_of(seeds, "pooled", metric) for metric in ("accuracy", "loss"))
    assert accuracy["mean"] > accuracy["trimmed-mean"] + 0.05, accuracy
    assert loss["mean"] < loss["trimmed-mean"] - 0.05, loss
