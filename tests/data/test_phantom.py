from __future__ import annotations

import numpy as np
import pytest

from swarmsim.data.federate import federate
from swarmsim.data.phantom import Phantom
from swarmsim.partition.dirichlet import Dirichlet
from swarmsim.partition.shards import Shards
from swarmsim.tasks.classification import Classification
from swarmsim.tasks.quadratic import Quadratic
from swarmsim.tasks.regression import Regression
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


def test_the_images_are_those_that_were_drawn_before_there_were_masks():
    """Figures of version 0.1: a seed means the same images for ever."""
    data = Phantom().load(4, 3)
    assert data.features[1, 0, 3, :3] == pytest.approx([0.79371816, 0.8350628, 0.7532323], abs=1e-6)
    assert data.targets.dtype == np.int64


def test_masks_are_of_the_same_images():
    drawn = {"examples": 20, "size": 16, "classes": 3, "prevalence": 0.6, "external": 6}
    kinds, masks = (Phantom(**drawn, target=target).load(4, 0) for target in ("class", "mask"))
    assert np.array_equal(kinds.features, masks.features)
    assert (masks.targets.shape, masks.targets.dtype, masks.classes) == ((80, 1, 16, 16), np.float32, ())
    assert np.unique(masks.targets).tolist() == [0, 1]
    assert np.array_equal(masks.targets.any((1, 2, 3)), kinds.targets > 0)
    assert masks.external.classes == ()
    assert np.array_equal(masks.external.targets.any((1, 2, 3)), kinds.external.targets > 0)


def test_a_mask_is_an_ellipse_at_half_height():
    """Its area: pi a b 2 log 2 with semi-axes a, b of .16 to .26 (mean .21), on pixels of (2 / 127)^2."""
    masks = Phantom(examples=300, size=128, scanners=1, prevalence=0.99, target="mask").load(1, 0).targets[:, 0]
    masks = masks[masks.any((1, 2))]
    areas = masks.sum((1, 2)) * (2 / 127) ** 2
    factor = np.pi * 2 * np.log(2)
    assert areas.mean() == pytest.approx(factor * 0.21**2, rel=0.03)
    assert factor * 0.16**2 * 0.97 < areas.min() < areas.max() < factor * 0.26**2 * 1.03
    y, x = np.mgrid[:128, :128]
    for mask in masks[:20]:  # the uniform distribution over an ellipse: area = 4 pi sqrt(det of its covariance)
        spread = np.linalg.det(np.cov(np.stack([y[mask > 0], x[mask > 0]])))
        assert mask.sum() == pytest.approx(4 * np.pi * np.sqrt(spread), rel=0.02)


def test_lesions_lie_under_their_masks():
    data = Phantom(examples=200, size=32, scanners=1, shift=0, prevalence=0.9, target="mask").load(1, 0)
    images, masks = data.features[:, 0], data.targets[:, 0] > 0
    brighter = [
        image[mask].mean() - image[~mask].mean() for image, mask in zip(images, masks, strict=True) if mask.any()
    ]
    assert len(brighter) == 180
    assert np.mean(brighter) > 0.2


@pytest.mark.parametrize("partition", [Shards(), Dirichlet(alpha=0.5)])
def test_masks_have_no_labels_to_skew(partition):
    with pytest.raises(InputError, match=r"masks have none|the data has none"):
        federate(Phantom(examples=8, size=8, target="mask"), partition, 4, 0)


def test_a_federation_of_masks_is_divided_as_they_are():
    federation = federate(Phantom(examples=20, size=8, target="mask", external=5), None, 4, 0)
    assert [shard.train.y.shape for shard in federation.shards] == [(13, 1, 8, 8)] * 4
    assert federation.external.y.shape == (5, 1, 8, 8)
    assert not [note for note in federation.notes if "class" in note]
    for task in (Classification(), Regression(), Quadratic()):
        with pytest.raises(InputError, match=r"mask|segmentation"):
            task.outputs(federation)
