"""MONAI's U-Net, for segmentation."""

from __future__ import annotations

from itertools import accumulate
from math import prod
from operator import mul
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from swarmsim.lazy import torch
from swarmsim.models._carry import down_and_up
from swarmsim.models._monai import monai_nets
from swarmsim.types import Arguments, InputError

__all__ = ["MonaiUnet"]


class MonaiUnet(Arguments):
    """U-Net of MONAI, unrolled into a chain that can be cut at each level; needs the extra swarmsim[monai].

    MONAI nests it: level_k(x) = up_k(d beside level_{k+1}(d)) with d = down_k(x), strided convolutions down and
    transposed ones up. Here the same modules are stages down1, ..., downL (the bottom, which keeps its sides), then
    up(L-1), ..., up1. Behind each stage but the last stands one tensor [B, S]: the maps that later stages read,
    flattened side by side, so that the bytes of smashed data count the open skips. `pip install "swarmsim[monai]"`
    adds MONAI alone: 1.6 needs torch 2.8 or later and numpy, which are there.

    Reference: Kerfoot et al., Left-ventricle quantification using residual U-Net, STACOM 2018; Cardoso et al., MONAI:
    an open-source framework for deep learning in healthcare, arXiv:2211.02701.
    """

    channels: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (8, 16, 32), min_length=2, description="of each level, the bottom last"
    )
    strides: tuple[Annotated[int, Field(ge=1)], ...] = Field((2, 2), description="of each level but the bottom")
    num_res_units: int = Field(0, ge=0, description="convolutions in each residual unit; 0: plain convolutions")
    norm: Literal["instance", "batch"] = Field("instance", description="in each convolution; instance has no weights")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of channels dropped in training")

    @model_validator(mode="after")
    def _as_many_strides(self) -> Self:
        if len(self.strides) != len(self.channels) - 1:
            raise ValueError(f"{len(self.channels)} channels need {len(self.channels) - 1} strides: one a level above")
        return self

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """Stages down1, down2, ..., up2, up1: [B, C, H, W] -> [B, S] -> ... -> [B, outputs, H, W]."""
        self._check(example)
        net = monai_nets("monai_unet").UNet(
            2, example[0], outputs, self.channels, self.strides, num_res_units=self.num_res_units, norm=self.norm,
            dropout=self.dropout,
        )  # fmt: skip
        downs, ups, level = [], [], net.model
        for _ in self.strides:
            down, skip, up = level
            downs.append(down)
            ups.append((torch.nn.Identity(), up))
            level = skip.submodule
        scales = [*accumulate(self.strides, mul)]
        shapes = [
            (width, example[1] // scale, example[2] // scale)
            for width, scale in zip(self.channels, [*scales, scales[-1]], strict=True)
        ]
        below = [*shapes[:-2], shapes[-1]]  # an up has the channels of the level that it leads to
        *named, (name, last) = down_and_up([*downs, level], ups, shapes, below)
        return [*named, (name, torch.nn.Sequential(last, torch.nn.Unflatten(1, (outputs, *example[1:]))))]

    def _check(self, example: tuple[int, ...]) -> None:
        least = prod(self.strides)
        if len(example) != 3 or any(side % least for side in example[1:]):
            raise InputError(
                f"model monai_unet: strides {[*self.strides]} need images [C, H, W] with sides that {least} divides; "
                f"the examples are {list(example)}. Use other strides, or images of another size."
            )
        if self.norm == "instance" and example[1:] == (least, least):
            raise InputError(
                f"model monai_unet: the lowest map of {list(example)} has one pixel, which norm: instance cannot "
                "scale; use norm: batch, fewer levels, or larger images"
            )
