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


def means(tmp_path, name: str, split: str, metric: str, *overrides: str) -> dict[str, float]:
    """{method: mean over seeds of the mean over institutions} of the institutions' own models after the last round."""
    found: dict[str, list[float]] = {}
    for seed in SEEDS:
        out = tmp_path / f"{name}-{seed}-{'-'.join(overrides)}"
        run_study(read(EXPERIMENTS / f"{name}.yaml", overrides=overrides, seed=seed, runtime="inline"), out)
        for method, summary in read_json(out / "summary.json")["methods"].items():
            found.setdefault(method, []).append(summary["scores"]["local"][split][metric]["final"])
    return {method: float(np.mean(values)) for method, values in found.items()}


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
