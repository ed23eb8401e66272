"""Blocks are scaled apart, a missing block stays missing, and a saved or synthetic vertical federation is whole."""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from swarmsim.data.federate import federate
from swarmsim.data.phantom import Phantom
from swarmsim.data.vertical import spans
from swarmsim.partition.vertical import Vertical
from swarmsim.types import Arguments, Block, Dataset, InputError

BLOCKS = (Block("table", (2,)), Block("image", (2, 3, 3)), Block("scan", (3, 4)))


class Given(Arguments):
    """A source of what it is given."""

    data: object
    standardize: str = "pooled"

    def load(self, institutions: int | None, seed: int) -> Dataset:
        return self.data


def data(n: int = 60, **more: object) -> Dataset:
    """Columns and channels on different scales; every fifth patient has no image, patient 7 one gap in the table."""
    rng = np.random.default_rng(0)
    image = rng.normal([[[3]], [[-50]]], [[[2]], [[9]]], (n, 2, 3, 3))
    x = np.concatenate([rng.normal([0, 100], [1, 20], (n, 2)), image.reshape(n, -1), rng.normal(7, 4, (n, 12))], 1)
    x[::5, 2:20] = np.nan
    x[7, 1] = np.nan
    names = ("age", "chol", *(f"pixel-{k}" for k in range(30)))
    given = {"classes": ("no", "yes"), "feature_names": names, "blocks": BLOCKS, "label_holder": "image"} | more
    return Dataset(x.astype(np.float32), np.arange(n) % 2, **given)


def federation(given: Dataset | None = None, standardize: str = "pooled"):
    return federate(Given(data=given or data(), standardize=standardize), None, None, 0)


def joint(made) -> np.ndarray:
    return np.concatenate([shard.train.x for shard in made.shards], axis=1)


def test_spans_lie_one_behind_the_other():
    assert spans(BLOCKS) == (slice(0, 2), slice(2, 20), slice(20, 32))


def test_tables_are_scaled_by_column_and_images_by_channel_without_those_who_lack_them():
    made = federation()
    table, image, scan = (shard.train.x for shard in made.shards)
    assert table.mean(0) == pytest.approx(0, abs=1e-5)
    assert table.std(0) == pytest.approx(1, abs=1e-5)
    there = image[~np.isnan(image).any(1)].reshape(-1, 2, 3, 3)
    assert there.mean((0, 2, 3)) == pytest.approx(0, abs=1e-5)
    assert there.std((0, 2, 3)) == pytest.approx(1, abs=1e-5)
    assert there.mean((0, 3))[0, 0] != pytest.approx(0, abs=1e-3)  # pixel by pixel it would be
    assert (scan.mean(), scan.std()) == (pytest.approx(0, abs=1e-5), pytest.approx(1, abs=1e-5))
    assert np.abs(scan.reshape(-1, 3, 4).mean((0, 2))).max() > 1e-3  # one channel, not three
    assert len(there) < len(image)


def test_a_missing_block_is_missing_in_all_of_its_columns_in_train_and_test():
    made = federation()
    for part, x in (("train", joint(made)), ("test", made.shards[1].test.x)):
        gone = made.indices[f"image/{part}"] % 5 == 0
        assert gone.any()
        assert np.isnan(x[gone, 2:20]).all()
        assert np.isfinite(x[~gone]).all()
        assert np.isfinite(np.delete(x, np.s_[2:20], axis=1)).all()
    assert any("12 of these patients have no image" in note for note in made.notes)


def test_a_single_gap_becomes_the_mean_of_its_column():
    """... of the training patients, wherever the gap is; with `institution` their median."""
    rows = (*(federation().indices[f"image/{part}"] for part in ("train", "validation", "test")),)
    gap = int(rows[0][0])
    x = data().features
    x[gap, 0] = np.nan
    for rule, typical in (("pooled", np.nanmean), ("institution", np.nanmedian)):
        made = federation(replace(data(), features=x), standardize=rule)
        column = x[rows[0], 0].astype(np.float64)
        filled = np.where(np.isnan(column), typical(column), column)
        assert made.shards[0].train.x[:, 0] == pytest.approx((filled - filled.mean()) / filled.std(), abs=1e-5)
    assert any("`institution` and `pooled` scale alike" in note for note in made.notes)


def test_scaling_uses_training_patients_only():
    made, x = federation(), data().features
    elsewhere = np.setdiff1d(np.arange(60), made.indices["image/train"])
    x[elsewhere] *= 100
    assert np.array_equal(joint(federation(replace(data(), features=x))), joint(made), equal_nan=True)


def test_every_patient_is_in_one_part_and_rows_agree_at_every_institution():
    made = federation(standardize="none", given=replace(data(), features=np.nan_to_num(data().features)))
    parts = [made.indices[f"image/{part}"] for part in ("train", "validation", "test")]
    assert sorted(np.concatenate(parts)) == list(range(60))
    whole = np.nan_to_num(data().features)
    assert np.array_equal(joint(made), whole[parts[0]])
    assert np.array_equal(made.shards[1].test.x, whole[parts[2]])
    assert np.array_equal(made.shards[1].train.y, data().targets[parts[0]])
    assert (made.label_holder, made.names, made.blocks) == (1, ("table", "image", "scan"), BLOCKS)
    for shard in (made.shards[0], made.shards[2]):
        assert (len(shard.validation), len(shard.test), shard.train.y.shape) == (0, 0, (len(parts[0]), 0))
    tests = [shard.test for shard in made.shards]
    assert len(np.concatenate([part.x for part in tests])) == len(np.concatenate([part.y for part in tests])) == 15


def test_the_external_part_is_scaled_by_the_training_patients():
    outside = Dataset(data().features, data().targets, data().classes)
    made = federation(data(external=outside))
    train = made.indices["image/train"]
    assert np.array_equal(made.external.x[train], joint(made), equal_nan=True)


@pytest.mark.parametrize(
    ("spoil", "standardize", "message"),
    [
        ((3, 1, np.inf), "pooled", "infinite values in chol;"),
        ((3, 4, np.nan), "pooled", "pixels are missing"),
        ((3, 1, np.nan), "none", "values are missing in chol;"),
        ((slice(None), slice(2, 20), np.nan), "pooled", "block 'image' is missing for every training patient"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(spoil, standardize, message):
    x = np.nan_to_num(data().features)
    x[spoil[0], spoil[1]] = spoil[2]
    with pytest.raises(InputError, match=message):
        federation(replace(data(), features=x), standardize)


def test_none_leaves_features_and_missing_blocks_alone():
    x = data().features
    x[7, 1] = 5
    made = federation(replace(data(), features=x), "none")
    assert np.array_equal(joint(made), x[made.indices["image/train"]], equal_nan=True)


def test_names_become_folders():
    blocks = (Block("a/b", (2,)), *BLOCKS[1:])
    made = federation(replace(data(), blocks=blocks))
    assert (made.names[0], made.blocks[0].name) == ("a-b", "a-b")
    with pytest.raises(InputError, match=r"'server'.*taken"):
        federation(replace(data(), blocks=(Block("server", (2,)), *BLOCKS[1:])))


# -------------------------------------------------------------------------------- phantom with a history


def test_a_phantom_with_a_history_is_vertical():
    plain, data = (Phantom(examples=20, size=8, external=6, history=k).load(None, 3) for k in (0, 3))
    assert data.blocks == (Block("imaging", (1, 8, 8)), Block("history", (3,)))
    assert data.label_holder == "history"
    assert np.array_equal(data.features[:, :64].reshape(-1, 1, 8, 8), plain.features)
    assert np.array_equal(data.targets, plain.targets)
    assert data.external.features.shape == (6, 67)
    made = federate(Phantom(examples=20, size=8, external=6, history=3), Vertical(test=0.5), 2, 3)
    assert made.names == ("imaging", "history")
    assert made.shards[1].test.x.shape == (40, 67)
    assert made.external.x.shape == (6, 67)


def test_a_history_tells_as_much_as_its_formula_says():
    """AUROC of column j: P(N(1/j, 1) > N(0, 1)) = Phi(1 / (j sqrt 2)); 8,000 patients, three standard errors .02."""
    data = Phantom(examples=2000, size=8, history=2).load(None, 0)
    sick = data.targets == 1
    for j in (1, 2):
        column = data.features[:, 63 + j]
        ranks = np.argsort(np.argsort(column)) + 1
        auroc = (ranks[sick].sum() - sick.sum() * (sick.sum() + 1) / 2) / (sick.sum() * (~sick).sum())
        assert auroc == pytest.approx(NormalDist().cdf(1 / (j * 2**0.5)), abs=0.02)


def test_a_history_beside_masks_is_refused():
    with pytest.raises(ValueError, match="target: class, not mask"):
        Phantom(history=2, target="mask")
