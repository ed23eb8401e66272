"""A model of one's own: attention over the columns of a table, and dense layers behind it."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field

from swarmsim.types import Arguments

__all__ = ["AttentionMlp"]


class Attention(torch.nn.Module):
    """Weighs the columns of each patient by a softmax: x [B, d] -> d softmax(W x + b) * x."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scores = torch.nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.shape[-1] * torch.softmax(self.scores(x), dim=-1) * x


class AttentionMlp(Arguments):
    """Attention over the columns, a hidden layer, an output."""

    section: ClassVar[str] = "model"

    hidden: int = Field(32, ge=1, description="width of the hidden layer")

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        (width,) = example  # a table; for images it is [C, H, W]
        dense = torch.nn.Sequential(torch.nn.Linear(width, self.hidden), torch.nn.ReLU())
        return [("attention", Attention(width)), ("dense", dense), ("output", torch.nn.Linear(self.hidden, outputs))]
