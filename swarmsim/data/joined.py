"""Separate files, one an institution, joined by patient ID."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from swarmsim.data._holding import Held, Holding
from swarmsim.data.source import Source
from swarmsim.data.table import is_missing
from swarmsim.data.targets import Kind, array_targets, cell_targets
from swarmsim.data.text import guess, listed
from swarmsim.types import Block, Dataset, InputError

__all__ = ["Joined"]


class Joined(Source):
    """Vertical data from separate files, one an institution, whose rows are joined by patient ID.

    `tables: {clinic: {path: clinic.csv, id: pid}, imaging: {path: x.npz, id: ids, features: images}}` names the
    institutions, in order. IDs are compared as texts, so `007` is not `7`; the order of rows in a file changes
    nothing, since patients are sorted by ID. A patient twice in a file, and files without a common patient, are
    errors. With `missing: drop` the federation has the patients of whom every file has something; with `keep` all
    patients of the label holder, and who is not in another file has NaN in all of its columns.

    A real deployment would find the common IDs without showing the others (private set intersection); that is not
    simulated, and its messages are not counted.

    Reference: Vepakomma et al., Split learning for health, 2018 (section 2, vertically partitioned data).
    """

    tables: dict[str, Holding] = Field(min_length=2, description="The institutions, in order, and each one's file")
    labels: str = Field(description="The institution that has the targets")
    target: str = Field(description="The column (or the array) of its file to predict")
    target_type: Kind = Field(default="classification", description="Whether the target is a class or a number")
    missing: Literal["drop", "keep"] = Field(
        default="drop", description="What happens to the label holder's patients whom another file lacks"
    )

    @model_validator(mode="after")
    def _somebody_has_the_targets(self) -> Joined:
        if self.labels not in self.tables:
            raise ValueError(
                f"labels {self.labels!r} is no table{guess(self.labels, self.tables)}; one of {listed(self.tables)}"
            )
        return self

    def load(self, institutions: int | None, seed: int) -> Dataset:
        """The joined patients, sorted by ID; neither the number of institutions nor the seed changes them."""
        held = {name: file.read(self.target if name == self.labels else None) for name, file in self.tables.items()}
        ids = self._patients(held)
        places = {name: _places(ids, own.ids) for name, own in held.items()}
        targets, classes = self._targets(held[self.labels].targets[places[self.labels]], ids)
        return Dataset(
            features=np.concatenate([_columns(own, places[name]) for name, own in held.items()], axis=1),
            targets=targets,
            classes=classes,
            columns={"patient": ids},
            feature_names=tuple(name for own in held.values() for name in own.names),
            notes=self._notes(held, ids, places),
            blocks=tuple(Block(name, own.features.shape[1:]) for name, own in held.items()),
            label_holder=self.labels,
        )

    def _patients(self, held: Mapping[str, Held]) -> np.ndarray:
        """IDs, sorted as texts, of the patients that the federation has."""
        ids = np.unique(held[self.labels].ids)
        for name, own in held.items():
            common = np.intersect1d(ids, _recorded(own))
            if not len(common):
                raise InputError(
                    f"data: no patient of {self.labels!r} is also in {name!r}"
                    f"{' and the files before it' if self.missing == 'drop' else ''}: {len(ids)} IDs such as "
                    f"{listed(ids, 3)} against {len(own.ids)} such as {listed(np.sort(own.ids), 3)}; are these the "
                    "same IDs, written alike?"
                )
            ids = common if self.missing == "drop" else ids
        return ids

    def _targets(self, values: np.ndarray, ids: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        where = f"{self.target!r} of {self.tables[self.labels].path}"
        if self.tables[self.labels].arrays:
            return array_targets(values, self.target_type, f"array {where}")
        if gaps := [patient for patient, cell in zip(ids, values, strict=True) if is_missing(cell)]:
            raise InputError(
                f"data: column {where} is empty for {len(gaps)} of {len(ids)} patients: {listed(gaps, 5)}; every "
                "patient needs a target"
            )
        return cell_targets(values.tolist(), self.target_type, f"column {where}")

    def _notes(self, held: Mapping[str, Held], ids: np.ndarray, places: Mapping[str, np.ndarray]) -> tuple[str, ...]:
        """How many patients each file has, how many have them all, who was kept or dropped for what."""
        there = ", ".join(f"{name} {len(own.ids)}" for name, own in held.items())
        mine, recorded = np.unique(held[self.labels].ids), {name: _recorded(own) for name, own in held.items()}
        common = mine[np.all([np.isin(mine, own) for own in recorded.values()], axis=0)]
        notes = [f"joined by patient ID: {there}; {len(common)} patients are in every file, {len(ids)} are used"]
        for name, own in held.items():
            done = "left out" if self.missing == "drop" else "kept, with all columns of it missing"
            if lacking := int((~np.isin(mine, recorded[name])).sum()):
                notes.append(f"joined: {lacking} patients of {self.labels} have nothing at {name}: {done}")
            if foreign := int((~np.isin(own.ids, mine)).sum()):
                notes.append(f"joined: {foreign} patients of {name} are unknown at {self.labels}, no target: left out")
        return tuple(notes)


def _recorded(held: Held) -> np.ndarray:
    """IDs of the patients of whom a file has anything: a row of gaps is as good as none."""
    return held.ids[~np.isnan(held.features.reshape(len(held.ids), -1)).all(1)]


def _places(ids: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Row of each patient in a file whose rows are `own`, -1 where it has none."""
    order = np.argsort(own)
    found = np.minimum(np.searchsorted(own, ids, sorter=order), len(own) - 1)
    return np.where(own[order[found]] == ids, order[found], -1)


def _columns(held: Held, places: np.ndarray) -> np.ndarray:
    """What a file has of each patient, flattened [N, size], NaN where it has nothing."""
    columns = held.features[places].reshape(len(places), -1)
    columns[places < 0] = np.nan
    return columns
