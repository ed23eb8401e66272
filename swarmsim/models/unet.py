"""Small U-Net for segmentation."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.models._carry import down_and_up
from swarmsim.models._norm import norm_2d
from swarmsim.types import Arguments, InputError

__all__ = ["Unet"]


class Unet(Arguments):
    """U-Net whose skip connections travel with the tensor: a chain of stages that can be cut anywhere.

    On the way down, down1 = F(image) and downk = F(pool(downk-1)) with 2x2 pooling; on the way up,
    upk = F(downk beside up-convolved upk+1), the lowest of them down itself; output is a 1x1 convolution. F is two
    3x3 convolutions, each with norm and ReLU. Level k has widths_k channels and sides H / 2^(k-1).

    Behind each stage but the last stands one tensor [B, S]: the maps that later stages read, flattened side by side.
    So smashed data and cut gradients hold the open skips: behind downk, S = sum_{j<=k} widths_j H W / 4^(j-1).

    Reference: Ronneberger, Fischer and Brox, U-Net: convolutional networks for biomedical image segmentation, MICCAI
    2015; here with padding, fewer channels, and the norm of Wu and He, Group normalization, ECCV 2018.
    """

    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((8, 16, 32), min_length=2, description="of each level")
    norm: Literal["batch", "group"] = Field("group", description="BatchNorm, or GroupNorm with up to 8 groups")

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """Stages down1, down2, ..., up2, up1, output: [B, C, H, W] -> [B, S] -> ... -> [B, outputs, H, W]."""
        nn, widths, least = torch.nn, self.widths, 2 ** (len(self.widths) - 1)
        if len(example) != 3 or any(side % least for side in example[1:]):
            raise InputError(
                f"model unet: {len(widths)} levels need images [C, H, W] with sides that {least} divides; the "
                f"examples are {list(example)}. Use fewer widths, or images of another size."
            )
        shapes = [(width, example[1] >> k, example[2] >> k) for k, width in enumerate(widths)]
        downs = [self._twice(example[0], widths[0])]
        downs += [nn.Sequential(nn.MaxPool2d(2), self._twice(*pair)) for pair in pairwise(widths)]
        ups = [
            (nn.ConvTranspose2d(lower, width, 2, 2), self._twice(2 * width, width)) for width, lower in pairwise(widths)
        ]
        output = nn.Sequential(nn.Unflatten(1, shapes[0]), nn.Conv2d(widths[0], outputs, 1))
        return [*down_and_up(downs, ups, shapes, below=shapes[1:]), ("output", output)]

    def _twice(self, depth: int, width: int) -> torch.nn.Module:
        """Two 3x3 convolutions, each with norm and ReLU: [B, depth, H, W] -> [B, width, H, W]."""
        nn = torch.nn
        return nn.Sequential(
            nn.Conv2d(depth, width, 3, padding=1, bias=False), norm_2d(self.norm, width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), norm_2d(self.norm, width), nn.ReLU(),
        )  # fmt: skip
