"""The U-Net in a chain is the U-Net; its parts are the chain; what crosses a cut holds the skips."""

from __future__ import annotations

import pytest
import torch

from swarmsim.local.passes import gradient
from swarmsim.models._carry import pack, unpack
from swarmsim.models.unet import Unet
from swarmsim.rows import build
from swarmsim.tasks.segmentation import Segmentation
from swarmsim.types import InputError
from tests.models.chains import draw, same_as, taken_apart

EXAMPLE = (2, 8, 12)
MODEL = Unet(widths=(4, 8, 6))
NAMES = ["down1", "down2", "down3", "up2", "up1", "output"]
SIZES = [4 * 96, 4 * 96 + 8 * 24, 4 * 96 + 8 * 24 + 6 * 6, 4 * 96 + 8 * 24, 4 * 96]  # S behind each stage but the last
NORMS = ["batch", "group"]


class Plain(torch.nn.Module):
    """A U-Net of three levels as it is usually written: the skips are local variables."""

    def __init__(self, inputs: int, a: int, b: int, c: int, outputs: int, norm: str) -> None:
        super().__init__()
        nn = torch.nn

        def normed(width: int):
            return nn.BatchNorm2d(width) if norm == "batch" else nn.GroupNorm({4: 4, 8: 8, 6: 2}[width], width)

        def twice(depth: int, width: int):
            first, second = (nn.Conv2d(of, width, 3, padding=1, bias=False) for of in (depth, width))
            return nn.Sequential(first, normed(width), nn.ReLU(), second, normed(width), nn.ReLU())

        self.enter, self.middle, self.bottom = twice(inputs, a), twice(a, b), twice(b, c)
        self.rise2, self.join2 = nn.ConvTranspose2d(c, b, 2, stride=2), twice(2 * b, b)
        self.rise1, self.join1 = nn.ConvTranspose2d(b, a, 2, stride=2), twice(2 * a, a)
        self.leave = nn.Conv2d(a, outputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        halved = torch.nn.functional.max_pool2d
        high = self.enter(x)
        middle = self.middle(halved(high, 2))
        low = self.bottom(halved(middle, 2))
        middle = self.join2(torch.cat([middle, self.rise2(low)], 1))
        return self.leave(self.join1(torch.cat([high, self.rise1(middle)], 1)))


def network(norm: str = "group"):
    return build(lambda: MODEL.model_copy(update={"norm": norm}).stages(EXAMPLE, 1), 5, torch.float64)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    return draw(5, *EXAMPLE), (draw(5, 1, *EXAMPLE[1:], seed=8) > 0.5).double()


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_chain_is_a_plain_u_net(norm, outputs):
    stages = [(name, module.double()) for name, module in Unet(widths=(4, 8, 6), norm=norm).stages(EXAMPLE, outputs)]
    plain = Plain(2, 4, 8, 6, outputs, norm).double()
    mine = [parameter for _, module in stages for parameter in module.parameters()]
    with torch.no_grad():
        for theirs, ours in zip(plain.parameters(), mine, strict=True):
            theirs.copy_(ours)
    assert [name for name, _ in stages] == NAMES
    same_as(plain, stages, draw(3, *EXAMPLE))


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("cut", range(1, len(NAMES)), ids=lambda cut: f"before {NAMES[cut]}")
def test_parts_are_the_whole_and_the_skips_cross(norm, cut):
    crossed = taken_apart(network(norm), cut, *batch(), Segmentation().loss)
    assert crossed.shape == (5, SIZES[cut - 1])


def test_packed_institutions_have_the_gradients_of_single_ones():
    whole, (x, y) = network(), batch()
    rows = torch.stack([whole.initial()["params"], whole.initial()["params"] * 0.9])
    empty = torch.zeros(2, 0, dtype=torch.float64)
    weights = {"params": rows, "buffers": empty, "counters": empty}
    both, losses, _ = gradient(whole, Segmentation().loss, weights, torch.stack([x, x + 1]), torch.stack([y, y]), None)
    for i in range(2):
        alone = {kind: row[i] for kind, row in weights.items()}
        grad, loss, _ = gradient(whole, Segmentation().loss, alone, x + i, y, None)
        assert torch.allclose(losses[i], loss, rtol=0, atol=1e-12)
        assert torch.allclose(both[i], grad, rtol=0, atol=1e-12)


def test_maps_are_packed_side_by_side():
    maps = [draw(2, 3, 4, 2), draw(2, 1, 2, 1, seed=5)]
    assert pack(maps).shape == (2, 26)
    assert torch.equal(pack(maps)[1, 24:], maps[1][1].flatten())
    back = unpack(pack([each.contiguous(memory_format=torch.channels_last) for each in maps]), [(3, 4, 2), (1, 2, 1)])
    assert all(torch.equal(a, b) for a, b in zip(maps, back, strict=True))


@pytest.mark.parametrize(("example", "words"), [((1, 10, 12), "4 divides"), ((7,), r"\[7\]")])
def test_images_that_do_not_fit_are_refused(example, words):
    with pytest.raises(InputError, match=words):
        Unet().stages(example, 1)
