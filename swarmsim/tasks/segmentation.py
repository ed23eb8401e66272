"""Segmentation of one foreground."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from swarmsim.lazy import torch
from swarmsim.types import Arguments, Federation, InputError

__all__ = ["Segmentation"]


class Segmentation(Arguments):
    """Segmentation: foreground or background in every pixel, from one logit each.

    With logits z, p = sigmoid(z) and masks y in {0, 1}, all [B, 1, H, W]:

        cross_entropy = -(1 / BHW) sum (y log p + (1 - y) log(1 - p))
        dice = 1 - (1/B) sum_b (2 sum p y + s) / (sum p^2 + sum y^2 + s), the sums over the pixels of image b

    and dice_cross_entropy is their sum. Dice looks at the foreground alone, however small it is; the smoothing s
    defines it for an empty mask, where it is 0 if p is 0 everywhere. Each is a mean over images.

    Reference: Milletari, Navab and Ahmadi, V-Net: fully convolutional neural networks for volumetric medical image
    segmentation, 3DV 2016, section 3.
    """

    scored_by: ClassVar[str] = "segmentation"

    criterion: Literal["dice_cross_entropy", "cross_entropy", "dice"] = Field(
        "dice_cross_entropy", description="what training minimises; scores do not depend on it"
    )
    smoothing: float = Field(1.0, gt=0, description="s of the soft Dice, in pixels")

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if self.criterion == "cross_entropy" and self.smoothing != type(self).model_fields["smoothing"].default:
            raise ValueError("criterion cross_entropy does not read smoothing: leave it out, or use dice")
        return self

    def outputs(self, federation: Federation) -> int:
        """One logit a pixel."""
        masks = [shard.train.y for shard in federation.shards]
        if federation.classes or any(y.ndim != 4 or y.shape[1] != 1 for y in masks):
            raise InputError(
                "task segmentation: the targets of the data are no masks [1, H, W]; "
                "use data: {use: phantom, target: mask}, or another task"
            )
        if not all(np.isin(y, (0, 1)).all() for y in masks):
            raise InputError("task segmentation: masks hold 0 (background) and 1 (foreground); the data has others")
        return 1

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over the batch: [B, 1, H, W], [B, 1, H, W] -> []."""
        if outputs.shape != targets.shape:
            raise InputError(
                f"task segmentation: the model gives {list(outputs.shape[1:])} for a mask {list(targets.shape[1:])}; "
                "use a model that gives a map, for example unet"
            )
        terms = {"dice": self._dice, "cross_entropy": self._cross_entropy}
        return sum(term(outputs, targets) for name, term in terms.items() if name in self.criterion)

    def _cross_entropy(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.binary_cross_entropy_with_logits(outputs, targets)

    def _dice(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        p, y = outputs.sigmoid().flatten(1), targets.flatten(1)
        shared = 2 * (p * y).sum(1) + self.smoothing
        return 1 - (shared / (p.square().sum(1) + y.square().sum(1) + self.smoothing)).mean()
