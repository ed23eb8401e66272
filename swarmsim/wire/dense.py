"""Messages with every number of a row, in a few bits each."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmsim.lazy import torch
from swarmsim.wire.packing import pack, unpack

__all__ = ["quantised", "restored_quantised", "restored_sign", "sign"]


def sign(row: torch.Tensor) -> dict[str, Any]:
    """Q(x) = mean|x| sign(x) of a row [d], with sign(0) = 1: a bit each, uint8 [ceil(d/8)], and the scale [1].

    ||Q(x) - x||^2 = ||x||^2 - (sum |x|)^2 / d, so a row whose numbers have one size arrives as it is.

    Reference: Karimireddy et al., Error feedback fixes SignSGD and other gradient compression schemes, ICML 2019.
    """
    return {"bits": pack((row >= 0).to(torch.uint8), 1), "scale": row.abs().mean(0, keepdim=True)}


def restored_sign(tree: dict[str, Any], d: int) -> torch.Tensor:
    """The row [d] that the receiver makes of it."""
    return (2 * unpack(tree["bits"], 1, d).to(tree["scale"]) - 1) * tree["scale"]


def quantised(row: torch.Tensor, bits: int, rng: np.random.Generator) -> dict[str, Any]:
    """Q(x) = (m/L) q with m = max|x|, L = 2^(bits - 1) - 1, and q the number L x / m rounded up or down at random.

    It is rounded up with the probability that makes E Q(x) = x; |Q(x) - x| < m/L for each number. uint8 [d bits / 8],
    rounded up, holds q + L, and the scale m is [1]. A row of zeros arrives as it is.

    Reference: Alistarh et al., QSGD: Communication-efficient SGD via gradient quantization and encoding, NeurIPS 2017
    (there the scale is the Euclidean norm in the analysis and the largest number in the experiments).
    """
    top, levels = row.abs().amax(0, keepdim=True), _levels(bits)
    drawn = torch.from_numpy(rng.random(len(row))).to(row)
    steps = (row / torch.where(top == 0, 1, top) * levels + drawn).floor().clamp(-levels, levels)
    return {"numbers": pack((steps + levels).to(torch.uint8), bits), "scale": top}


def restored_quantised(tree: dict[str, Any], bits: int, d: int) -> torch.Tensor:
    """The row [d] that the receiver makes of it."""
    levels = _levels(bits)
    return (unpack(tree["numbers"], bits, d).to(tree["scale"]) - levels) * (tree["scale"] / levels)


def _levels(bits: int) -> int:
    return 2 ** (bits - 1) - 1
