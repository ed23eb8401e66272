"""MONAI's networks in a chain are MONAI's networks; without MONAI they say what is missing."""

from __future__ import annotations

import sys

import pytest
import torch

from swarmsim.models.monai_densenet import MonaiDensenet
from swarmsim.models.monai_unet import MonaiUnet
from swarmsim.rows import build
from swarmsim.tasks.classification import Classification
from swarmsim.tasks.segmentation import Segmentation
from swarmsim.types import InputError
from tests.models.chains import draw, same_as, taken_apart

DENSE = {"init_features": 8, "growth_rate": 4, "block_config": (2, 3)}
UNETS = {
    "plain": MonaiUnet(channels=(4, 6, 8), strides=(2, 2)),
    "residual": MonaiUnet(channels=(4, 6, 8, 10), strides=(2, 1, 2), num_res_units=2, norm="batch"),
    "two levels": MonaiUnet(channels=(4, 6), strides=(3,)),
}


@pytest.fixture
def nets():
    return pytest.importorskip("monai.networks.nets", reason='needs the optional extra: pip install "swarmsim[monai]"')


def drawn_alike(theirs: torch.nn.Module, stages: list) -> list:
    """The stages, with what MONAI's own network holds: nested or not, its state is in the order of the forward pass."""
    named = [(name, module.double()) for name, module in stages]
    mine = [tensor for _, module in named for tensor in module.state_dict().values()]
    for to, of in zip(mine, theirs.double().state_dict().values(), strict=True):
        assert to.shape == of.shape
        to.copy_(of)
    return named


@pytest.mark.parametrize("norm", ["batch", "group"])
def test_the_densenet_is_monais(nets, norm):
    theirs = nets.DenseNet(2, 3, 4, **DENSE, norm=norm if norm == "batch" else ("group", {"num_groups": 4}))
    stages = drawn_alike(theirs, MonaiDensenet(**DENSE, norm=norm).stages((3, 20, 24), 4))
    assert [name for name, _ in stages] == ["conv0", "denseblock1", "transition1", "denseblock2", "output"]
    same_as(theirs, stages, draw(3, 3, 20, 24))


def test_the_default_is_densenet121(nets):
    theirs, mine = nets.DenseNet121(2, 1, 2), MonaiDensenet().stages((1, 29, 29), 2)
    assert len(mine) == 9
    drawn_alike(theirs, mine)
    x = draw(2, 1, 29, 29)
    chain = torch.nn.Sequential(*(module for _, module in mine))
    assert torch.allclose(chain(x), theirs(x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", UNETS)
def test_the_unet_is_monais(nets, name):
    model = UNETS[name]
    theirs = nets.UNet(2, 3, 2, model.channels, model.strides, num_res_units=model.num_res_units, norm=model.norm)
    stages = drawn_alike(theirs, model.stages((3, 12, 24), 2))
    levels = len(model.channels)
    assert [name for name, _ in stages] == [f"down{k + 1}" for k in range(levels)] + [
        f"up{k}" for k in reversed(range(1, levels))
    ]
    same_as(theirs, stages, draw(3, 3, 12, 24))


@pytest.mark.parametrize("name", UNETS)
def test_the_unet_can_be_cut_anywhere(nets, name):
    network = build(lambda: UNETS[name].stages((1, 12, 24), 1), 5, torch.float64)
    x, y = draw(4, 1, 12, 24), (draw(4, 1, 12, 24, seed=8) > 0.5).double()
    sizes = [taken_apart(network, cut, x, y, Segmentation().loss).shape for cut in range(1, len(network.names))]
    assert all(len(shape) == 2 for shape in sizes)
    if name == "plain":  # down1, down2, the bottom, and the map that goes up
        assert [size for _, size in sizes] == [4 * 72, 4 * 72 + 6 * 18, 4 * 72 + (6 + 8) * 18, (4 + 4) * 72]


def test_the_densenet_can_be_cut_anywhere(nets):
    network = build(lambda: MonaiDensenet(**DENSE).stages((3, 20, 24), 3), 5, torch.float64)
    for cut in range(1, len(network.names)):
        taken_apart(network, cut, draw(4, 3, 20, 24), torch.tensor([0, 2, 1, 1]), Classification().loss)


def test_without_monai(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai", None)
    for name in [name for name in sys.modules if name.startswith("monai.")]:
        monkeypatch.delitem(sys.modules, name)
    for model in (MonaiDensenet(), MonaiUnet()):
        with pytest.raises(InputError, match=r'pip install "swarmsim\[monai\]"'):
            model.stages((1, 32, 32), 1)


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="at least 29"):
        MonaiDensenet().stages((1, 28, 28), 2)
    with pytest.raises(InputError, match="4 divides"):
        MonaiUnet().stages((1, 30, 32), 1)
    with pytest.raises(InputError, match="norm: batch"):
        MonaiUnet().stages((1, 4, 4), 1)
    with pytest.raises(ValueError, match="3 channels need 2 strides"):
        MonaiUnet(strides=(2,))
