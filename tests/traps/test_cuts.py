"""A cut loses nothing of what happens between modules (trap 13): every model there is, at every legal cut."""

from __future__ import annotations

import pkgutil

import pytest
import torch

import swarmsim.models
from swarmsim.models.cnn import Cnn
from swarmsim.models.logistic import Logistic
from swarmsim.models.mlp import Mlp
from swarmsim.models.multimodal import Multimodal
from swarmsim.models.point import Point
from swarmsim.models.resnet import Resnet
from swarmsim.models.unet import Unet
from swarmsim.rows import build
from swarmsim.tasks.classification import Classification
from swarmsim.tasks.segmentation import Segmentation
from swarmsim.types import Block
from tests.models.chains import draw, taken_apart

BLOCKS = (Block("a", (3,)), Block("b", (1, 8, 8)), Block("c", (2,)))
GREY, COLOUR, VECTOR = (1, 8, 8), (3, 8, 8), (6,)
MODELS = {
    "mlp": [(Mlp(hidden=(7, 6, 5), batch_norm=True), VECTOR), (Mlp(hidden=(7, 6), activation="gelu"), COLOUR)],
    "cnn": [
        (Cnn(channels=(4, 6), dense=7, norm=norm), shape) for norm in ("batch", "group") for shape in (GREY, COLOUR)
    ],
    "resnet": [
        (Resnet(widths=(4, 6), blocks=2, norm=norm), shape) for norm in ("batch", "group") for shape in (GREY, COLOUR)
    ],
    "unet": [(Unet(widths=(4, 6, 8), norm=norm), shape) for norm in ("batch", "group") for shape in (GREY, COLOUR)],
    "multimodal": [
        (Multimodal(width=4, hidden=(5,), channels=(3,), head=(6, 5), fusion=fusion, missing=missing), BLOCKS)
        for fusion in ("concat", "max")
        for missing in ("refuse", "placeholder")
    ],
}
UNCUT = {"logistic": (Logistic(), VECTOR), "point": (Point(), (1,))}


def built(name: str, model, example, dtype: torch.dtype):
    return build(lambda: model.stages(example, 1 if name == "unet" else 3), 5, dtype)


NETWORKS = [
    (f"{name} {kind} {str(dtype)[-2:]}", built(name, model, example, dtype), example)
    for name, made in MODELS.items()
    for kind, (model, example) in enumerate(made)
    for dtype in (torch.float32, torch.float64)
]
CASES = [(network, cut) for network in NETWORKS for cut in range(1, len(network[1].names))]


@pytest.mark.parametrize(
    ("network", "cut"), CASES, ids=[f"{made[0]} before {made[1].names[cut]}" for made, cut in CASES]
)
def test_every_model_cut_anywhere_is_the_whole(network, cut):
    """Loss, gradient and statistics, bit for bit, on a batch of 5; residuals, skips and fusions are no children."""
    name, whole, example = network
    shape = (sum(block.size for block in BLOCKS),) if example is BLOCKS else example
    x = draw(5, *shape).to(whole.initial()["params"].dtype)
    if name.startswith("unet"):
        taken_apart(whole, cut, x, (x[:, :1] > 0.3).to(x.dtype), Segmentation().loss)
    else:
        taken_apart(whole, cut, x, torch.tensor([0, 2, 1, 1, 0]), Classification().loss)


def test_every_model_on_disk_is_cut_or_cannot_be():
    """MONAI's networks, an optional extra, are cut in models/test_monai."""
    files = {
        module.name for module in pkgutil.iter_modules(swarmsim.models.__path__) if not module.name.startswith("_")
    }
    assert set(MODELS) | set(UNCUT) | {name for name in files if name.startswith("monai_")} == files
    for model, example in UNCUT.values():
        assert len(build(lambda model=model, example=example: model.stages(example, 1), 0, torch.float64).names) == 1
