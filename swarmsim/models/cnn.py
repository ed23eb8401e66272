"""Small convolutional network."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.models._norm import groups
from swarmsim.types import Arguments, InputError

__all__ = ["Cnn"]


class Cnn(Arguments):
    """Convolutional network: a stage for each block (3x3 convolution, norm, ReLU, 2x2 pooling), one dense, one output.

    The side of the image halves with each block: [C, H, W] -> [channels_k, H / 2^k, W / 2^k]. With the defaults and
    32x32x3 images it has about half a million parameters.

    Reference: LeCun et al., Gradient-based learning applied to document recognition, Proc. IEEE 1998.
    """

    channels: tuple[Annotated[int, Field(ge=1)], ...] = Field((32, 64), min_length=1, description="of each block")
    dense: int = Field(112, ge=1, description="width of the dense stage")
    norm: Literal["none", "batch", "group"] = Field("none", description="after each convolution (group: 8 groups)")
    dropout: float = Field(0.0, ge=0, lt=1, description="in the dense stage")

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """Stages block1, ..., dense, output: [B, C, H, W] -> [B, outputs]."""
        if len(example) != 3 or min(example[1:]) < 2 ** len(self.channels):
            raise InputError(
                f"model cnn: {len(self.channels)} blocks need images [C, H, W] with sides of at least "
                f"{2 ** len(self.channels)}; the examples are {list(example)}. Use fewer channels or another model."
            )
        nn, (depth, height, width), named = torch.nn, example, []
        for k, wide in enumerate(self.channels, start=1):
            norm = {"none": [], "batch": [nn.BatchNorm2d(wide)], "group": [nn.GroupNorm(groups(wide), wide)]}
            block = [nn.Conv2d(depth, wide, 3, padding=1), *norm[self.norm], nn.ReLU(), nn.MaxPool2d(2)]
            named.append((f"block{k}", nn.Sequential(*block)))
            depth, height, width = wide, height // 2, width // 2
        dense = [nn.Flatten(), nn.Linear(depth * height * width, self.dense), nn.ReLU()]
        dense += [nn.Dropout(self.dropout)] if self.dropout else []
        return [*named, ("dense", nn.Sequential(*dense)), ("output", nn.Sequential(nn.Linear(self.dense, outputs)))]
