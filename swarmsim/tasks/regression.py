"""Regression."""

from __future__ import annotations

from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.types import Arguments, Federation, InputError

__all__ = ["Regression"]


class Regression(Arguments):
    """Regression: mean squared error over the batch and the targets.

    loss = (1 / Bk) sum_{b,j} (z_bj - y_bj)^2, with outputs z and targets y [B, k].

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 3.1.
    """

    scored_by: ClassVar[str] = "regression"

    def outputs(self, federation: Federation) -> int:
        """One output a target."""
        if federation.classes:
            raise InputError("task regression: the data has classes; use classification, or numbers as targets")
        targets = federation.shards[federation.label_holder or 0].train.y
        if targets.ndim != 2:
            raise InputError(f"task regression: the targets are images {list(targets.shape[1:])}; use segmentation")
        return targets.shape[1]

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over batch and targets: [B, k], [B, k] -> []."""
        return torch.nn.functional.mse_loss(outputs, targets)
