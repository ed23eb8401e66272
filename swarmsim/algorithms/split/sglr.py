"""SGLR: server-side gradient averaging and learning-rate acceleration."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split._chain import Link
from swarmsim.algorithms.split.horizontal import Horizontal
from swarmsim.lazy import torch
from swarmsim.rng import stream

__all__ = ["Sglr"]


class Sglr(Horizontal):
    """SGLR: a faster server, which sends the mean cut gradient of a fraction of the institutions back to those.

    In a step of n institutions, floor(phi n) of them, drawn anew, get the mean of their cut gradients, example by
    example (a ragged batch has part in as many as it has); the others get their own. The server's learning rate is
    `server_rate` times that of the bottoms. phi = 0 and rate 1 is parallel split learning with private bottoms.

    Reference: Pal et al., Server-side local gradient averaging and learning rate acceleration for scalable split
    learning, 2021 (arXiv:2112.05929).
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["concatenated"] = "concatenated"
    institution_weights: Literal["private", "averaged_each_epoch"] = "private"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
    cut_gradient: Literal["own", "joint"] = Field(
        "own", description="an institution's gradient over its own examples, or its share of the joint mean's"
    )
    averaged_fraction: float = Field(0.5, ge=0, le=1, description="phi: share of institutions with the mean gradient")
    server_rate: float = Field(1.0, gt=0, description="the server's learning rate, in those of the bottoms")

    def rate_of(self, link: Link) -> float:
        return self.server_rate if link.group == "server" else 1.0

    def cut_gradients(self, pieces: list[torch.Tensor], route) -> list[torch.Tensor]:
        """The same gradients [B_i, ...], those of the drawn institutions replaced by their mean."""
        seed = route.world.learner.seed
        chosen = stream(seed, "sglr", route.t, route.k).permutation(len(pieces))
        count = math.floor(round(self.averaged_fraction * len(pieces), 9))  # .58 * 50 is 28.999999999999996
        drawn = sorted(chosen[:count].tolist())
        if not drawn:
            return pieces
        mean = _mean([pieces[place] for place in drawn])
        return [mean[: len(piece)].clone() if place in drawn else piece for place, piece in enumerate(pieces)]


def _mean(pieces: list[torch.Tensor]) -> torch.Tensor:
    """The mean of the b-th examples of those pieces that have one [max B_i, ...], added in order."""
    longest = max(pieces, key=len)
    total, count = torch.zeros_like(longest), longest.new_zeros(len(longest), *[1] * (longest.dim() - 1))
    for piece in pieces:
        total[: len(piece)] += piece
        count[: len(piece)] += 1
    return total / count
