"""MONAI's DenseNet, for classification of images."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Annotated, Literal

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.models._monai import monai_nets
from swarmsim.models._norm import groups
from swarmsim.types import Arguments, InputError

__all__ = ["MonaiDensenet"]


class MonaiDensenet(Arguments):
    """DenseNet of MONAI, cut between its blocks: DenseNet121 by default; needs the extra swarmsim[monai].

    A layer of a dense block puts growth_rate new channels beside all it was given; a transition halves channels and
    sides. Stages: conv0 (with norm and pooling, a quarter of the sides), denseblock1, transition1, denseblock2, ...,
    output (last norm, mean over the map, linear). Weights are drawn, never downloaded. `pip install "swarmsim[monai]"`
    adds MONAI alone: 1.6 needs torch 2.8 or later and numpy, which are there.

    Reference: Huang et al., Densely connected convolutional networks, CVPR 2017; Cardoso et al., MONAI: an open-source
    framework for deep learning in healthcare, arXiv:2211.02701.
    """

    init_features: int = Field(64, ge=1, description="channels of the first convolution")
    growth_rate: int = Field(32, ge=1, description="channels that a layer of a dense block adds")
    block_config: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (6, 12, 24, 16), min_length=1, description="layers of each dense block; DenseNet169: [6, 12, 32, 32]"
    )
    bn_size: int = Field(4, ge=1, description="a layer's bottleneck has bn_size * growth_rate channels")
    norm: Literal["batch", "group"] = Field("batch", description="BatchNorm, or GroupNorm with up to 8 groups")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of a layer's new channels dropped in training")

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """Stages conv0, denseblock1, transition1, ..., output: [B, C, H, W] -> [B, outputs]."""
        least = 2 ** (len(self.block_config) + 1) - 3
        if len(example) != 3 or min(example[1:]) < least:
            raise InputError(
                f"model monai_densenet: {len(self.block_config)} blocks need images [C, H, W] with sides of at least "
                f"{least}; the examples are {list(example)}. Use a shorter block_config, or larger images."
            )
        net = monai_nets("monai_densenet").DenseNet(
            2, example[0], outputs, self.init_features, self.growth_rate, self.block_config, self.bn_size,
            norm=self._norm(), dropout_prob=self.dropout,
        )  # fmt: skip
        parts = list(net.features.named_children())
        stem, blocks, last = parts[:4], parts[4:-1], parts[-1]
        output = OrderedDict([last, *net.class_layers.named_children()])
        return [
            ("conv0", torch.nn.Sequential(OrderedDict(stem))), *blocks, ("output", torch.nn.Sequential(output)),
        ]  # fmt: skip

    def _norm(self) -> str | tuple[str, dict[str, int]]:
        """As MONAI takes it: GroupNorm has one number of groups, which must divide the channels everywhere."""
        if self.norm == "batch":
            return "batch"
        depth, normed = self.init_features, [self.bn_size * self.growth_rate]
        for layers in self.block_config:
            normed += [depth + k * self.growth_rate for k in range(layers + 1)]
            depth = normed[-1] // 2
        return "group", {"num_groups": groups(math.gcd(*normed))}
