"""Where split learning becomes cheaper than federated averaging: the closed form against the ledger (Singh et al.)."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from swarmsim.experiment import read
from swarmsim.log.files import read_json
from swarmsim.study import run_study

ROOT = Path(__file__).parents[1]
FLOAT = 4
CUT = 64
BOTTOM = (13 * CUT + CUT) * FLOAT  # 6 numbers, 4 kinds of chest pain, 3 of ECG
WHOLE = BOTTOM + (CUT * 32 + 32 + 32 * 2 + 2) * FLOAT
INSTITUTIONS = (4, 8, 12, 16, 32)


@pytest.fixture(scope="module", params=INSTITUTIONS)
def measured(request, tmp_path_factory) -> tuple[int, int, dict[str, dict[str, int]]]:
    """Institutions, training examples D, and {method: {kind: bytes}} of one round of training."""
    out = tmp_path_factory.mktemp("crossover") / str(request.param)
    changes = ["rounds=1", f"institutions={request.param}"]
    run_study(read(ROOT / "experiments" / "split" / "crossover.yaml", overrides=changes), out)
    sent = {method: sent_in(out / method) for method in ("split-vanilla", "baseline-fedavg")}
    examples = int(np.load(out / "split-vanilla" / "partition.npz")["lengths"][:, 0].sum())
    return request.param, examples, sent


def sent_in(folder: Path) -> dict[str, int]:
    """{kind: bytes} of what a run sent in training."""
    found: dict[str, int] = {}
    with open(folder / "ledger.csv", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            if not line["kind"].startswith("eval_"):
                found[line["kind"]] = found.get(line["kind"], 0) + int(line["bytes"])
    assert sum(found.values()) == read_json(folder / "summary.json")["bytes"]
    return found


def test_bytes_are_those_of_the_closed_form(measured):
    """Split: D S up, D S down and K hand-overs of W_c; federated: 2 K W. Labels, 8 bytes each, are no part of it."""
    k, examples, sent = measured
    assert sent["split-vanilla"] == {
        "smashed_data": examples * CUT * FLOAT,
        "cut_gradient": examples * CUT * FLOAT,
        "weights": k * BOTTOM,
        "labels": examples * 8,
    }
    assert sent["baseline-fedavg"] == {"weights": 2 * k * WHOLE}


def test_the_cheaper_one_is_the_one_foretold(measured):
    """Split where 2 D S < (2 - eta) K W, eta = W_c / W: here from 15 institutions on."""
    k, examples, sent = measured
    foretold = 2 * examples * CUT * FLOAT < (2 - BOTTOM / WHOLE) * k * WHOLE
    split = sum(size for kind, size in sent["split-vanilla"].items() if kind != "labels")
    assert (split < sent["baseline-fedavg"]["weights"]) is foretold is (k >= 15)
