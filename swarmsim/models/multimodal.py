"""Network for vertical data: one sub-network a block of columns, then a head on their joined features."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.types import Arguments, Block, Federation, InputError

__all__ = ["Multimodal"]

Fusion = Literal["concat", "sum", "mean", "max"]
Missing = Literal["refuse", "zero", "placeholder"]


class Multimodal(Arguments):
    """Multi-modal network: each block of columns gives `width` features, a head predicts from all of them together.

    A block of columns gets a multi-layer perceptron, a block of images ([H, W] or [C, H, W]) a small convolutional
    network; `fusion` puts the n blocks' features h_k [width] side by side (concat), or takes their sum, mean or
    maximum element by element. The stages form one chain: stage k takes its own columns off the front of what it is
    given and puts its features at the end,

        [x_k, x_k+1, ..., x_n, h_1, ..., h_k-1]  ->  [x_k+1, ..., x_n, h_1, ..., h_k],

    so that the chain of all is the whole model, and a stage that is fed with its own columns alone gives its
    features: what an institution sends in vertical split learning.

    Of a patient who lacks a block (NaN in all of its columns) the features are 0 (`missing: zero`), or a vector that
    is learned with the block's weights and starts at 0 (`placeholder`); a mean is then still over all n blocks.

    Reference: Vepakomma et al., Split learning for health, 2018; Ceballos et al., SplitNN-driven vertical
    partitioning, 2020, which compares these fusions.
    """

    vertical: ClassVar[bool] = True  # its examples are a federation's blocks

    width: int = Field(16, ge=1, description="features that each block gives")
    hidden: tuple[Annotated[int, Field(ge=1)], ...] = Field((32,), description="hidden layers of a block of columns")
    channels: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (8, 16), description="of each 3x3 convolution with 2x2 pooling in a block of images"
    )
    head: tuple[Annotated[int, Field(ge=1)], ...] = Field((16,), description="hidden layers behind the fusion")
    fusion: Fusion = Field("concat", description="how the features of the blocks are joined")
    missing: Missing = Field("refuse", description="features of a patient who lacks the block")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of each hidden layer's outputs dropped in training")

    def check(self, federation: Federation) -> None:
        """Raises InputError where patients lack a block and nothing says what the model makes of that."""
        if self.missing != "refuse" or not federation.blocks:  # without blocks there is no such model at all
            return
        for name, lacking in _lacking(federation).items():
            if lacking:
                raise InputError(
                    f"model multimodal: {lacking} patients have no {name}, all of its columns are missing; write "
                    "missing: zero or missing: placeholder, or leave these patients out where the data is described "
                    "(missing: drop)"
                )

    def stages(self, example: tuple[Block, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """A stage for each block, named like it, then hidden1, ..., output: [B, all columns] -> [B, outputs]."""
        if not example or not all(isinstance(block, Block) for block in example):
            raise InputError(
                "model multimodal: needs vertical data, whose institutions hold blocks of columns; the examples are "
                f"{list(example)}. Write partition: {{use: vertical, blocks: ...}} or data: {{use: joined, ...}}, or "
                "use another model."
            )
        blocks = [(block.name, _block(self._features(block), block, self.width, self.missing)) for block in example]
        joined = self.width * (len(example) if self.fusion == "concat" else 1)
        widths = (joined, *self.head)
        head = [*(self._dense(a, b) for a, b in pairwise(widths)), [torch.nn.Linear(widths[-1], outputs)]]
        if self.fusion != "concat":
            head[0].insert(0, _fusion(self.fusion, len(example), self.width))
        names = [*(f"hidden{k}" for k in range(1, len(head))), "output"]
        return [*blocks, *((name, torch.nn.Sequential(*layers)) for name, layers in zip(names, head, strict=True))]

    def _features(self, block: Block) -> torch.nn.Module:
        """The sub-network of a block: [B, *shape] -> [B, width]."""
        if len(block.shape) == 1:
            widths = (block.size, *self.hidden, self.width)
            layers = [layer for a, b in pairwise(widths[:-1]) for layer in self._dense(a, b)]
            return torch.nn.Sequential(*layers, torch.nn.Linear(widths[-2], self.width), torch.nn.ReLU())
        return torch.nn.Sequential(*self._convolutions(block))

    def _dense(self, width: int, wide: int) -> list[torch.nn.Module]:
        dropout = [torch.nn.Dropout(self.dropout)] if self.dropout else []
        return [torch.nn.Linear(width, wide), torch.nn.ReLU(), *dropout]

    def _convolutions(self, block: Block) -> list[torch.nn.Module]:
        nn, shape = torch.nn, block.shape if len(block.shape) == 3 else (1, *block.shape)
        if len(shape) != 3 or min(shape[1:]) < 2 ** len(self.channels):
            raise InputError(
                f"model multimodal: block {block.name!r} is {list(block.shape)}; {len(self.channels)} convolutions "
                f"need images [H, W] or [C, H, W] with sides of at least {2 ** len(self.channels)}; use fewer channels"
            )
        depth, height, width = shape
        layers: list[nn.Module] = [] if shape == block.shape else [nn.Unflatten(1, (1, block.shape[0]))]
        for wide in self.channels:
            layers += [nn.Conv2d(depth, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            depth, height, width = wide, height // 2, width // 2
        dropout = [nn.Dropout(self.dropout)] if self.dropout else []
        return [*layers, nn.Flatten(), *dropout, nn.Linear(depth * height * width, self.width), nn.ReLU()]


def _lacking(federation: Federation) -> dict[str, int]:
    """How many patients, in training and elsewhere, lack each block."""
    holder, found, first = federation.shards[federation.label_holder], {}, 0
    whole = [holder.validation, holder.test, *([federation.external] if federation.external else [])]
    for block, shard in zip(federation.blocks, federation.shards, strict=True):
        own = [shard.train.x, *(part.x[:, first : first + block.size] for part in whole)]
        found[block.name] = sum(int(np.isnan(x).all(1).sum()) for x in own)
        first += block.size
    return found


def _block(features: torch.nn.Module, block: Block, width: int, missing: Missing) -> torch.nn.Module:
    """The stage of a block: its own columns in front become features at the end."""

    class Modality(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = features
            self.absent = torch.nn.Parameter(torch.zeros(width)) if missing == "placeholder" else None

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            own, rest = x[:, : block.size], x[:, block.size :]
            if missing == "refuse":
                return torch.cat([rest, self._of(own)], 1)
            gone = own.isnan().any(1, keepdim=True)
            instead = own.new_zeros(()) if self.absent is None else self.absent
            return torch.cat([rest, torch.where(gone, instead, self._of(own.masked_fill(gone, 0)))], 1)

        def _of(self, own: torch.Tensor) -> torch.Tensor:
            return self.features(own.unflatten(1, block.shape))

    return Modality()


def _fusion(fusion: Fusion, blocks: int, width: int) -> torch.nn.Module:
    """[B, n * width] -> [B, width]: the features of all blocks reduced to one."""

    class Reduced(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            reduce = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}[fusion]
            return reduce(x.unflatten(1, (blocks, width)), 1)

    return Reduced()
