from __future__ import annotations

import numpy as np
import pytest

from swarmsim.data.phantom import Phantom
from swarmsim.types import InputError


def test_shapes_columns_and_prevalence():
    data = Phantom(examples=20, size=16, scanners=2, prevalence=0.25, external=6).load(4, 0)
    assert data.features.shape == (80, 1, 16, 16)
    assert data.features.dtype == np.float32
    assert np.isfinite(data.features).all()
    assert data.classes == ("healthy", "lesion")
    assert np.bincount(data.targets).tolist() == [60, 20]
    assert sorted(set(data.columns["institution"])) == [f"institution-{i}" for i in range(4)]
    assert (data.columns["scanner"][:40:20].tolist(), data.columns["scanner"][40]) == (
        ["scanner-0", "scanner-1"],
        "scanner-0",
    )
    assert data.external.features.shape == (6, 1, 16, 16)


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not():
    a, b, c = (Phantom(examples=8, size=8).load(4, seed) for seed in (1, 1, 2))
    assert np.array_equal(a.features, b.features)
    assert not np.array_equal(a.features, c.features)


def test_an_institution_does_not_depend_on_how_many_there_are():
    few, many = (Phantom(examples=8, size=8, scanners=2).load(n, 0) for n in (2, 6))
    assert np.array_equal(few.features, many.features[:16])


def test_without_shift_scanners_are_alike_and_with_it_they_are_not():
    def spread(shift: float) -> float:
        data = Phantom(examples=50, size=16, shift=shift).load(4, 0)
        return float(np.std([data.features[data.columns["scanner"] == f"scanner-{s}"].mean() for s in range(4)]))

    assert spread(0) < 0.02
    assert 5 * spread(0) < spread(1)


def test_a_simple_rule_finds_lesions():
    data = Phantom(examples=300, shift=0, scanners=1).load(1, 0)
    brightest = np.sort(data.features.reshape(300, -1), axis=1)[:, -20:].mean(1) - np.median(
        data.features.reshape(300, -1), axis=1
    )
    sick, healthy = brightest[data.targets == 1], brightest[data.targets == 0]
    assert (sick[:, None] > healthy[None]).mean() > 0.75


def test_kinds_of_lesions():
    data = Phantom(examples=40, size=8, classes=5).load(None, 0)
    assert data.classes == ("healthy", "lesion-1", "lesion-2", "lesion-3", "lesion-4")
    assert np.bincount(data.targets).tolist() == [80, 20, 20, 20, 20]


def test_more_scanners_than_institutions():
    with pytest.raises(InputError, match="write scanners: 3"):
        Phantom(scanners=4).load(3, 0)
