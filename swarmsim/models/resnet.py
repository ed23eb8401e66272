"""Residual network for small images."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.models._norm import norm_2d
from swarmsim.types import Arguments, InputError

__all__ = ["Resnet"]


class Resnet(Arguments):
    """Residual network for small images: a stem, one stage a residual block, a pooled linear head.

    A block computes relu(x + F(x)) with two 3x3 convolutions; the first block of every group but the first halves
    the image and widens it, with a 1x1 convolution on the shortcut. A cut lies between blocks, never inside one,
    so every cut is legal.

    Reference: He et al., Deep residual learning for image recognition, CVPR 2016 (section 4.2, CIFAR variant);
    Wu and He, Group normalization, ECCV 2018, for why `group` is the default among institutions.
    """

    widths: tuple[Annotated[int, Field(ge=1)], ...] = Field((16, 32, 64), min_length=1, description="of each group")
    blocks: int = Field(1, ge=1, description="residual blocks in each group")
    norm: Literal["batch", "group"] = Field("group", description="BatchNorm, or GroupNorm with up to 8 groups")

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """Stages stem, block1.1, block1.2, ..., head: [B, C, H, W] -> [B, outputs]."""
        if len(example) != 3:
            raise InputError(f"model resnet: needs images [C, H, W]; the examples are {list(example)}")
        nn, depth = torch.nn, self.widths[0]
        stem = nn.Sequential(
            nn.Conv2d(example[0], depth, 3, padding=1, bias=False), norm_2d(self.norm, depth), nn.ReLU()
        )
        named = [("stem", stem)]
        for group, width in enumerate(self.widths):
            for block in range(self.blocks):
                stride = 2 if group and not block else 1
                named.append((f"block{group + 1}_{block + 1}", self._block(depth, width, stride)))
                depth = width
        head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(depth, outputs))
        return [*named, ("head", head)]

    def _block(self, depth: int, width: int, stride: int) -> torch.nn.Module:
        nn = torch.nn
        residual = nn.Sequential(
            nn.Conv2d(depth, width, 3, stride, padding=1, bias=False), norm_2d(self.norm, width), nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False), norm_2d(self.norm, width),
        )  # fmt: skip
        shortcut = nn.Identity()
        if stride != 1 or depth != width:
            shortcut = nn.Sequential(nn.Conv2d(depth, width, 1, stride, bias=False), norm_2d(self.norm, width))

        class Residual(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.residual, self.shortcut = residual, shortcut

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.relu(self.shortcut(x) + self.residual(x))

        return Residual()
