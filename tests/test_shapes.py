"""Slow: the shapes that experiments/README.md reports, asserted on means over seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from swarmsim.experiment import read
from swarmsim.log.files import read_json
from swarmsim.study import run_study

pytestmark = pytest.mark.slow

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
SEEDS = range(5)


def finals(tmp_path, name: str, *overrides: str) -> list[dict]:
    """For each seed {method: {split: {metric: figures}}} of the institutions' own models after the last round."""
    found = []
    for seed in SEEDS:
        out = tmp_path / f"{name.replace('/', '-')}-{seed}-{'-'.join(overrides)}"
        run_study(read(EXPERIMENTS / f"{name}.yaml", overrides=overrides, seed=seed, runtime="inline"), out)
        methods = read_json(out / "summary.json")["methods"]
        found.append({method: summary["scores"]["local"] for method, summary in methods.items()})
    return found


def mean_of(seeds: list[dict], split: str, metric: str) -> dict[str, float]:
    """{method: mean over seeds of the mean over institutions} for the methods that have the metric."""
    having = [method for method, splits in seeds[0].items() if metric in splits.get(split, {})]
    return {method: float(np.mean([seed[method][split][metric]["final"] for seed in seeds])) for method in having}


def means(tmp_path, name: str, split: str, metric: str, *overrides: str) -> dict[str, float]:
    """The same, of one metric of an experiment that is run for it."""
    return mean_of(finals(tmp_path, name, *overrides), split, metric)


def test_working_together_beats_working_alone(tmp_path):
    """Chang et al. 2018 in shape: every collaborative method above one institution alone (AUROC on own test sets)."""
    auroc = means(tmp_path, "quickstart", "test", "auroc")
    alone = auroc.pop("baseline-local")
    assert min(auroc.values()) > alone + 0.01, (alone, auroc)


def test_split_learning_is_flat_in_the_number_of_institutions_and_single_ones_fall(tmp_path):
    """Poirot et al. 2019 in shape, from 2 to 32 institutions (AUROC on the pooled test set)."""
    few, many = (means(tmp_path, "institutions", "pooled", "auroc", f"institutions={n}") for n in (2, 32))
    assert few["baseline-local"] - many["baseline-local"] > 0.02
    assert abs(few["split-vanilla"] - many["split-vanilla"]) < 0.02


def test_split_learning_in_turns_forgets_and_interleaved_batches_do_not(tmp_path):
    """Hydra and Gawali et al. in shape: balanced accuracy under label skew, by institution against interleaved."""
    balanced = means(tmp_path, "label_skew", "pooled", "balanced_accuracy")
    assert balanced["split-interleaved"] > balanced["split-by-institution"] + 0.1, balanced


def test_images_shared_among_more_institutions_change_nothing_for_split_learning(tmp_path):
    """Poirot et al. 2019 in shape, on images, wherever the labels are (AUROC on the pooled test set)."""
    few, many = (
        means(tmp_path, "split/institutions", "pooled", "auroc", f"institutions={n}", f"data.examples={480 // n}")
        for n in (2, 16)
    )
    assert few["baseline-local"] - many["baseline-local"] > 0.05, (few, many)
    assert abs(few["split-vanilla"] - many["split-vanilla"]) < 0.03, (few, many)
    assert few["split-u_shaped"] == few["split-vanilla"]


def test_whoever_is_served_last_is_remembered(tmp_path):
    """Hydra in shape: recall rises with the serving position, in any order, unless batches are mixed."""
    seeds = finals(tmp_path, "split/forgetting")
    first, last = (mean_of(seeds, "serving", f"recall_at_{p}") for p in (1, 3))
    gap, transfer = (mean_of(seeds, "serving", metric) for metric in ("performance_gap", "backward_transfer"))
    assert list(first) == list(last) == list(transfer) == ["by-institution", "reverse", "random"]
    for order in first:
        assert last[order] - first[order] > 0.5, (first, last)
        assert transfer[order] < -0.5, transfer
    assert max(gap["interleaved"], gap["concatenated"]) < min(gap[order] for order in first) - 0.1, gap


def test_splitfed_v1_is_flat_in_the_cut_depth_and_v2_is_best_cut_early(tmp_path):
    """Dachille et al. 2024 in part: v1 is equal at every cut, v2 loses behind the first, then falls no more."""
    seeds = finals(tmp_path, "split/cut_depth")
    assert all(seed["v1-cut-1"] == seed["v1-cut-4"] for seed in seeds)
    accuracy = mean_of(seeds, "pooled", "accuracy")
    assert accuracy["v2-cut-1"] > max(accuracy[f"v2-cut-{cut}"] for cut in (2, 3, 4)) + 0.02, accuracy
    assert accuracy["v2-cut-1"] > accuracy["v1-cut-1"] + 0.05, accuracy


def test_splitavg_keeps_pooled_accuracy_at_home_only(tmp_path):
    """Zhang et al. 2022 in part: on the institutions' own test sets, not for a random patient of all of them."""
    seeds = finals(tmp_path, "split/splitavg")
    home, everybody = (mean_of(seeds, split, "accuracy") for split in ("test", "pooled"))
    assert home["split-splitavg"] > 0.96 * home["baseline-pooled"], home
    assert max(home["baseline-fedavg"], home["split-vanilla"]) < 0.8 * home["baseline-pooled"], home
    assert everybody["split-splitavg"] < 0.8 * everybody["baseline-pooled"], everybody
    assert everybody["split-parallel"] > 0.85 * everybody["baseline-pooled"], everybody
