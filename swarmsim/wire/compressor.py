"""How a row is compressed before it crosses: the choice, and its arguments."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from swarmsim.lazy import torch
from swarmsim.types import Arguments
from swarmsim.wire.dense import quantised, restored_quantised, restored_sign, sign
from swarmsim.wire.sparse import random_k, restored_random_k, restored_top_k, top_k

__all__ = ["Compressor"]

READS = {"identity": (), "top_k": ("fraction",), "random_k": ("fraction", "scaled"), "sign": (), "quantised": ("bits",)}


class Compressor(Arguments):
    """A row in, a smaller tree out, and a row back: `restore(compress(x)) = Q(x)`.

    The bytes that cross are those of the tree. Sender and receiver draw the same random numbers, which have an
    address, so they do not cross.
    """

    use: Literal["identity", "top_k", "random_k", "sign", "quantised"] = Field(
        description="identity: as it is; top_k: the largest numbers and their places; random_k: numbers at random "
        "places; sign: a bit each and one scale; quantised: a few bits each, rounded at random, and one scale"
    )
    fraction: float | None = Field(None, gt=0, le=1, description="top_k, random_k: share of the numbers that crosses")
    scaled: bool = Field(False, description="random_k: times 1/fraction, which is unbiased, but no contraction")
    bits: Literal[2, 4, 8] = Field(8, description="quantised: bits a number")

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        read = READS[self.use]
        if "fraction" in read and self.fraction is None:
            raise ValueError(f"compressor {self.use} needs fraction, for example fraction: 0.01")
        defaults = {name: field.default for name, field in type(self).model_fields.items() if name != "use"}
        ignored = [name for name, value in defaults.items() if name not in read and getattr(self, name) != value]
        if ignored:
            raise ValueError(f"compressor {self.use} does not read {', '.join(ignored)}: leave it out")
        return self

    def compress(self, row: torch.Tensor, rng: np.random.Generator) -> dict[str, Any]:
        """What crosses of a row [d]."""
        return {
            "identity": lambda: {"values": row},
            "top_k": lambda: top_k(row, self.fraction),
            "random_k": lambda: random_k(row, self.fraction, self.scaled, rng),
            "sign": lambda: sign(row),
            "quantised": lambda: quantised(row, self.bits, rng),
        }[self.use]()

    def restore(self, tree: dict[str, Any], d: int, rng: np.random.Generator) -> torch.Tensor:
        """The row [d] at the receiver; `rng` gives the numbers that it gave the sender."""
        return {
            "identity": lambda: tree["values"],
            "top_k": lambda: restored_top_k(tree, d),
            "random_k": lambda: restored_random_k(tree, d, rng),
            "sign": lambda: restored_sign(tree, d),
            "quantised": lambda: restored_quantised(tree, self.bits, d),
        }[self.use]()
