"""The quadratic objective, whose every fixed point is known."""

from __future__ import annotations

from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.types import Arguments, Federation, InputError

__all__ = ["Quadratic"]


class Quadratic(Arguments):
    """Quadratic objective f_i(x) = |x - a_i|^2 / 2, for experiments that have a closed form.

    Its gradient is x - a_i, so each decentralised method is a linear recursion whose fixed point and rate can be
    written down. Batches of several targets give the mean of their objectives.

    Reference: Yuan, Ling and Yin, On the convergence of decentralized gradient descent, SIAM J. Optim. 2016.
    """

    scored_by: ClassVar[str] = "objective"

    def outputs(self, federation: Federation) -> int:
        """As many as a target has numbers."""
        if federation.classes or federation.shards[0].train.y.ndim != 2:
            raise InputError("task quadratic: the data has classes or masks; use data: {use: quadratic, targets: ...}")
        return federation.shards[0].train.y.shape[1]

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Half the squared distance, mean over the batch: [B, k], [B, k] -> []."""
        return 0.5 * (outputs - targets).square().sum(-1).mean()
