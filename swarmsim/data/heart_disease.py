"""Heart disease at four hospitals."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from swarmsim.data.source import Source
from swarmsim.data.table import Table, numbers, one_hot, read_table
from swarmsim.types import Dataset

__all__ = ["HeartDisease"]

FILE = Path(__file__).parent / "files" / "heart_disease.csv"
HOSPITALS = ("Cleveland", "Hungary", "VA Long Beach", "Switzerland")
CORE: dict[str, tuple[str, ...]] = {  # the categories of a feature, or () where it is a number
    "age": (),
    "sex": ("Female", "Male"),
    "cp": ("typical angina", "atypical angina", "non-anginal", "asymptomatic"),
    "trestbps": (),
    "restecg": ("normal", "st-t abnormality", "lv hypertrophy"),
    "thalach": (),
    "exang": ("False", "True"),
    "oldpeak": (),
}
REST: dict[str, tuple[str, ...]] = {
    "chol": (),
    "fbs": ("False", "True"),
    "slope": ("upsloping", "flat", "downsloping"),
    "ca": (),
    "thal": ("normal", "fixed defect", "reversable defect"),
}
ZERO_IS_MISSING = ("trestbps", "chol")


class HeartDisease(Source):
    """Heart disease at four real hospitals: 920 patients, 13 features, disease or not (shipped with swarmsim).

    Cleveland 303, Hungary 294, VA Long Beach 200, Switzerland 123 patients, 46, 36, 75, 93 % with disease; the
    column `hospital` says where. Categories are one-hot (one column where there are two), a blood pressure or
    cholesterol of 0 is a missing value. `core` are the eight features recorded nearly everywhere (13 columns);
    `all` adds cholesterol, fbs, slope, ca and thal with an indicator for every feature that may be missing: since
    slope, ca and thal are missing nearly everywhere outside Cleveland, the indicators all but name the hospital.

    Reference: Detrano et al., International application of a new probability algorithm for the diagnosis of
    coronary artery disease, Am. J. Cardiology 1989; doi:10.24432/C52P4X, CC BY 4.0.
    """

    features: Literal["core", "all"] = Field(
        default="core", description="The eight features recorded nearly everywhere, or all with missing indicators"
    )

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """920 examples; neither the number of institutions nor the seed changes them."""
        table = read_table(FILE)
        kinds = CORE if self.features == "core" else CORE | REST
        blocks = {name: _feature(table, name, categories) for name, categories in kinds.items()}
        gaps = {name: np.isnan(block[:, 0]) for name, (block, _) in blocks.items() if np.isnan(block[:, 0]).any()}
        matrices, names = (
            [block for block, _ in blocks.values()],
            [name for _, names in blocks.values() for name in names],
        )
        if self.features == "all":
            matrices += [gap[:, None].astype(np.float32) for gap in gaps.values()]
            names += [f"{name} missing" for name in gaps]
        hospitals = np.array(table["hospital"])
        return Dataset(
            features=np.ascontiguousarray(np.concatenate(matrices, axis=1)),
            targets=np.array([int(cell) > 0 for cell in table["num"]], dtype=np.int64),
            classes=("healthy", "disease"),
            columns={"hospital": hospitals},
            feature_names=tuple(names),
            notes=_notes(hospitals, gaps),
        )


def _feature(table: Table, name: str, categories: tuple[str, ...]) -> tuple[np.ndarray, list[str]]:
    if categories:
        return one_hot(table[name], name, categories)
    values = numbers(table[name], name)
    if name in ZERO_IS_MISSING:
        values[values == 0] = np.nan
    return values, [name]


def _notes(hospitals: np.ndarray, gaps: dict[str, np.ndarray]) -> tuple[str, ...]:
    """How much is missing where, a line a hospital."""
    notes = ["heart_disease: disease is a diagnosis of 1 to 4; blood pressure 0 and cholesterol 0 count as missing"]
    for hospital in HOSPITALS:
        counts = {name: int(gap[hospitals == hospital].sum()) for name, gap in gaps.items()}
        found = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        notes.append(f"heart_disease: missing at {hospital}: {found or 'nothing'}")
    return tuple(notes)
