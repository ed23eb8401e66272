"""The way of a batch of vertical data: the same patients everywhere, their features side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from swarmsim.algorithms.split._chain import Chain, Link
from swarmsim.algorithms.split._steps import Route
from swarmsim.lazy import torch
from swarmsim.network.located import Located
from swarmsim.types import Block

__all__ = ["Columns", "features"]


@dataclass(frozen=True)
class Columns(Route):
    """The k-th batch of all institutions: B patients, features [B, w_i] of each joined to [B, w_1 + ... + w_n].

    The features of institutions that are not in `who` are 0, and no gradient goes to them.
    """

    widths: list[int]

    @cached_property
    def sizes(self) -> list[int]:
        """Examples of the one batch."""
        return [self.world.learner.batch_size(self.world.sizes[self.world.label_holder], self.k)]

    def join(self, values: list[torch.Tensor], at: Link) -> torch.Tensor:
        if at is not self.chain[1]:
            return torch.cat(values, 1)
        arrived, rows = dict(zip(self.who, values, strict=True)), len(values[0])
        return torch.cat([arrived.get(i, values[0].new_zeros(rows, width)) for i, width in enumerate(self.widths)], 1)

    def pieces(self, whole: torch.Tensor) -> list[torch.Tensor]:
        return [whole]

    def cut(self, gradient: torch.Tensor, above: Link) -> list[torch.Tensor]:
        if not above.own:
            return [gradient]
        pieces = gradient.split(self.widths, 1)
        return [pieces[i] for i in self.who]

    def carry_labels(self, labels: Located) -> Located:
        """The labels from the one institution that has them."""
        home, last = self.world.label_holder, self.chain[-1]
        src = self.world.institutions.only([home])
        return self.net.gather(labels, src, self.group(last), self.at(last), "labels")

    def seed(self, institution: int) -> tuple | None:
        """One address for the parts of all: each stage has a stream of its own, as in the joint model."""
        return super().seed(self.world.label_holder)

    def note_all(self, outputs: list[torch.Tensor], labels: list[torch.Tensor]) -> None:
        self.note(self.world.label_holder, self.world.learner.loss(outputs[0], labels[0]), len(labels[0]))


def features(chain: Chain, blocks: Sequence[Block], x: torch.Tensor) -> list[torch.Tensor]:
    """What each institution would send of patients x [m, all columns], at the initial weights: [m, w_i]."""
    with torch.no_grad():
        branches = [chain[0].segment_of(i) for i in range(len(blocks))]
        columns = x.split([block.size for block in blocks], 1)
        return [b.forward(b.initial(), own, train=False)[0] for b, own in zip(branches, columns, strict=True)]
