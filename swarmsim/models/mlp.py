"""Multi-layer perceptron."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.types import Arguments

__all__ = ["Mlp"]


class Mlp(Arguments):
    """Multi-layer perceptron: one stage a hidden layer (linear, activation, dropout) and one for the output.

    h_k = dropout(act(W_k h_{k-1} + b_k)), logits = W h + b. Examples of any shape are flattened first. With
    `hidden: []` it is a linear model.

    Reference: Rosenblatt, Principles of Neurodynamics, 1962; initialised as torch.nn.Linear does.
    """

    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field((64, 32), description="width of each hidden layer")
    activation: Literal["relu", "tanh", "gelu"] = Field("relu", description="after each hidden layer")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of a hidden layer's outputs dropped in training")
    batch_norm: bool = Field(False, description="BatchNorm before each activation")

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """Stages hidden1, hidden2, ..., output: [B, ...] -> [B, outputs]."""
        nn, width, named = torch.nn, torch.Size(example).numel(), []
        activation = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}[self.activation]
        for k, wide in enumerate(self.hidden, start=1):
            layers = [nn.Linear(width, wide)]
            layers += [nn.BatchNorm1d(wide)] if self.batch_norm else []
            layers += [activation()]
            layers += [nn.Dropout(self.dropout)] if self.dropout else []
            named.append((f"hidden{k}", nn.Sequential(*layers)))
            width = wide
        named.append(("output", nn.Sequential(nn.Linear(width, outputs))))
        if len(example) != 1:
            named[0][1].insert(0, nn.Flatten())
        return named
