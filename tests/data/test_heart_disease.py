from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from swarmsim.data.heart_disease import FILE, HOSPITALS, HeartDisease
from tests.data.examples import shared

COUNTS = {"Cleveland": (303, 139), "Hungary": (294, 106), "VA Long Beach": (200, 149), "Switzerland": (123, 115)}


def rows(path: str | Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_shipped_file_is_what_its_licence_note_says():
    table = rows(FILE)
    assert hashlib.sha256(FILE.read_bytes()).hexdigest().startswith("6a983014ac0b9c5d")
    assert len(table) == 920
    assert len({row["id"] for row in table}) == 920
    assert [row["hospital"] for row in table if row["id"] == "304"] == ["Hungary"]
    assert {row["hospital"] for row in table} == set(HOSPITALS)
    note = FILE.with_name("LICENSE-heart_disease.md").read_text()
    assert "10.24432/C52P4X" in note
    assert "CC BY 4.0" in note


def test_shipped_file_differs_from_the_shared_one_in_the_name_of_one_column_only():
    original = rows(shared("heart_disease_4hospitals.csv"))
    renamed = [{("hospital" if key == "site" else key): cell for key, cell in row.items()} for row in original]
    assert renamed == rows(FILE)


@pytest.mark.parametrize(("hospital", "counts"), COUNTS.items())
def test_counts_and_prevalence_of_each_hospital(hospital, counts):
    data = HeartDisease().load(None, 0)
    own = data.columns["hospital"] == hospital
    assert (own.sum(), data.targets[own].sum()) == counts


def test_prevalences_are_those_documented():
    assert [100 * sick / n for n, sick in COUNTS.values()] == pytest.approx([46, 36, 75, 93], abs=0.5)


def test_core_has_thirteen_columns_and_the_documented_gaps():
    data = HeartDisease().load(None, 0)
    assert data.features.shape == (920, 13)
    assert data.features.dtype == np.float32
    assert len(data.feature_names) == 13
    gaps = dict(zip(data.feature_names, np.isnan(data.features).sum(0), strict=True))
    assert gaps["age"] == gaps["sex=Male"] == gaps["cp=asymptomatic"] == 0
    assert (gaps["trestbps"], gaps["thalach"], gaps["exang=True"], gaps["oldpeak"]) == (60, 55, 55, 62)
    assert "heart_disease: missing at Cleveland: nothing" in data.notes
    assert any(note.endswith("trestbps 57, thalach 53, exang 53, oldpeak 56") for note in data.notes)


def test_all_features_come_with_missing_indicators():
    data = HeartDisease(features="all").load(None, 0)
    columns = dict(zip(data.feature_names, data.features.T, strict=True))
    assert np.nanmin(columns["chol"]) > 0
    assert np.isnan(columns["chol"]).sum() == 202
    for name in ("chol", "ca", "trestbps"):
        assert np.array_equal(columns[f"{name} missing"], np.isnan(columns[name]))
    assert "age missing" not in columns


def test_one_patient_by_hand():
    data = HeartDisease().load(None, 0)
    first = dict(zip(data.feature_names, data.features[0].tolist(), strict=True))
    expected = {"age": 63, "sex=Male": 1, "cp=typical angina": 1, "trestbps": 145, "restecg=lv hypertrophy": 1}
    expected |= {"thalach": 150, "exang=True": 0, "restecg=normal": 0, "cp=asymptomatic": 0}
    assert {name: first[name] for name in expected} == expected
    assert first["oldpeak"] == pytest.approx(2.3)
    assert data.targets[:2].tolist() == [0, 1]


def test_loading_imports_nothing_heavy():
    code = (
        "import sys; from swarmsim.data.heart_disease import HeartDisease; import swarmsim.data.federate, "
        "swarmsim.data.medmnist, swarmsim.data.image_folder, swarmsim.data.csv; HeartDisease().load(None, 0); "
        "print([m for m in ('torch', 'PIL', 'sklearn', 'pandas', 'networkx') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
