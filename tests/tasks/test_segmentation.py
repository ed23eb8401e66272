"""The losses of segmentation: by hand, against torch, and against MONAI where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from swarmsim.data.federate import federate
from swarmsim.data.phantom import Phantom
from swarmsim.tasks.segmentation import Segmentation
from swarmsim.types import Federation, InputError, Part, Shard


def draw(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    z = torch.randn(3, 1, 4, 5, dtype=torch.float64, requires_grad=True)
    y = (torch.rand(3, 1, 4, 5) < 0.4).double()
    y[0] = 0
    return z, y


def held(*parts: tuple[np.ndarray, np.ndarray], classes: tuple[str, ...] = ()) -> Federation:
    shards = [Shard(f"h{i}", *(Part(x, y) for _ in range(3))) for i, (x, y) in enumerate(parts)]
    return Federation(tuple(shards), classes)


def test_dice_by_hand():
    """p = 3/4 on two pixels and 1/4 on two; one of each is foreground: (2 (3/4 + 1/4) + 1) / (5/4 + 2 + 1)."""
    odds = math.log(3)
    z = torch.tensor([odds, odds, -odds, -odds]).reshape(1, 1, 2, 2)
    y = torch.tensor([1.0, 0, 1, 0]).reshape(1, 1, 2, 2)
    assert Segmentation(criterion="dice").loss(z, y).item() == pytest.approx(1 - 3 / 4.25)
    assert Segmentation(criterion="dice", smoothing=2).loss(z, y).item() == pytest.approx(1 - 4 / 5.25)
    empty = Segmentation(criterion="dice").loss(z, torch.zeros_like(y)).item()
    assert empty == pytest.approx(1 - 1 / 2.25)


def test_cross_entropy_is_torchs_and_the_default_is_the_sum():
    z, y = draw()
    cross, dice, both = (
        Segmentation(criterion=name).loss(z, y) for name in ("cross_entropy", "dice", "dice_cross_entropy")
    )
    p = z.sigmoid()
    assert cross.item() == pytest.approx(torch.nn.functional.binary_cross_entropy(p, y).item(), abs=1e-14)
    assert both.item() == pytest.approx((cross + dice).item(), abs=1e-14)
    assert torch.equal(Segmentation().loss(z, y), both)


def test_a_perfect_answer_costs_nothing_and_a_wrong_one_does():
    _, y = draw()
    sure = torch.where(y > 0, 50.0, -50.0)
    for name in ("cross_entropy", "dice", "dice_cross_entropy"):
        task = Segmentation(criterion=name)
        assert task.loss(sure, y).item() == pytest.approx(0, abs=1e-12)
        assert task.loss(-sure, y).item() > 0.5


@pytest.mark.parametrize("criterion", ["cross_entropy", "dice", "dice_cross_entropy"])
def test_the_loss_is_a_mean_over_images_and_packs(criterion):
    """So institutions' losses weigh by their sizes, and batches of several institutions add up."""
    (z, y), task = draw(), Segmentation(criterion=criterion)
    each = torch.stack([task.loss(z[b : b + 1], y[b : b + 1]) for b in range(3)])
    assert torch.allclose(task.loss(z, y), each.mean(), atol=1e-14, rtol=0)
    packed = torch.vmap(task.loss)(z.unsqueeze(1), y.unsqueeze(1))
    assert torch.allclose(packed, each, atol=1e-14, rtol=0)


@pytest.mark.parametrize(("criterion", "smoothing"), [("dice", 1.0), ("dice", 0.1), ("dice_cross_entropy", 1.0)])
def test_equals_monai(criterion, smoothing):
    losses = pytest.importorskip("monai.losses", reason='needs the optional extra: pip install "swarmsim[monai]"')
    kind = losses.DiceLoss if criterion == "dice" else losses.DiceCELoss
    theirs = kind(sigmoid=True, squared_pred=True, smooth_nr=smoothing, smooth_dr=smoothing)
    z, y = draw()
    mine = Segmentation(criterion=criterion, smoothing=smoothing).loss(z, y)
    assert torch.allclose(mine, theirs(z, y), atol=1e-12, rtol=0)
    (a,), (b,) = torch.autograd.grad(mine, z), torch.autograd.grad(theirs(z, y), z)
    assert torch.allclose(a, b, atol=1e-12, rtol=0)


def test_outputs():
    masks = federate(Phantom(examples=8, size=16, target="mask"), None, None, 0)
    assert Segmentation().outputs(masks) == 1
    with pytest.raises(InputError, match="target: mask"):
        Segmentation().outputs(federate(Phantom(examples=8, size=16), None, None, 0))


def test_other_targets_are_refused():
    x = np.zeros((2, 1, 4, 4), np.float32)
    with pytest.raises(InputError, match="no masks"):
        Segmentation().outputs(held((x, np.zeros((2, 3), np.float32))))
    with pytest.raises(InputError, match="no masks"):
        Segmentation().outputs(held((x, np.zeros((2, 3, 4, 4), np.float32))))
    with pytest.raises(InputError, match=r"0 \(background\) and 1"):
        Segmentation().outputs(held((x, x), (x, x + 255)))


def test_a_model_that_gives_no_map_is_refused():
    with pytest.raises(InputError, match=r"gives \[1\] for a mask \[1, 4, 5\].*unet"):
        Segmentation().loss(torch.zeros(3, 1), torch.zeros(3, 1, 4, 5))


def test_an_ignored_argument_is_refused():
    with pytest.raises(ValueError, match="does not read smoothing"):
        Segmentation(criterion="cross_entropy", smoothing=2)
