"""Split learning with a local loss at the cut."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.algorithms.split import _auxiliary, _auxiliary_unsplit
from swarmsim.algorithms.split._chain import Chain, Link
from swarmsim.algorithms.split._sharing import State
from swarmsim.algorithms.split.horizontal import Horizontal
from swarmsim.lazy import torch
from swarmsim.rng import seed_for
from swarmsim.rows import Network, build
from swarmsim.types import Tick

__all__ = ["Auxiliary"]


class Auxiliary(Horizontal):
    """Split learning with a local loss at the cut: no gradient comes back, and every h-th batch goes up.

    An institution steps its bottom and an auxiliary head on loss(auxiliary(z), y), z = bottom(x), for every batch. The
    smashed data and labels of its batches h, 2h, ... (`server_every`) go to the server, whose top steps on
    loss(top(z), y). The institutions' half is federated averaging (or local training) of bottom and auxiliary head;
    D samples move about D S / h bytes a round and their labels, and no institution waits for the server. The auxiliary
    head is one linear layer on the flattened smashed data, behind `auxiliary_hidden` rectified units if given; it is
    averaged as bottoms are.

    Reference: Mu and Shen, Communication and storage efficient federated split learning (CSE-FSL), 2023
    (arXiv:2302.05599); Chopra et al., AdaSplit, 2021 (arXiv:2112.01637), whose local loss is contrastive.
    """

    twin: ClassVar[str] = "bottom, auxiliary head and top in one graph, with a detached value at the cut"

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    serving: Literal["interleaved", "by_institution", "reverse", "random"] = "interleaved"
    institution_weights: Literal["averaged_each_epoch", "averaged_each_batch", "private"] = "averaged_each_epoch"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
    cut_gradient: Literal["joint"] = Field("joint", description="none comes back")
    clip_norm: Literal["part"] = Field("part", description="clip: bottom with auxiliary head; top")
    in_flight: Literal[1] = Field(1, description="nothing waits on its way")
    server_every: int = Field(1, ge=1, description="h: the server gets every h-th batch of an institution")
    auxiliary_hidden: int | None = Field(None, ge=1, description="units of a hidden layer of the auxiliary head")

    def round(self, state: State, tick: Tick, world) -> State:
        return self._program(state, tick, world, _auxiliary)

    def unsplit_round(self, state: State, tick: Tick, world) -> State:
        return self._program(state, tick, world, _auxiliary_unsplit)

    def goes_up(self, k: int) -> bool:
        """Whether the server gets the k-th batch (from 0) of an institution."""
        return (k + 1) % self.server_every == 0

    def exchanged(self, chain: Chain) -> list[Link]:
        return [*chain.own, *chain.beside]

    def _chain(self, world) -> Chain:
        """Bottom and top, and beside them the auxiliary head."""
        chain, network = super()._chain(world), world.learner.network
        with torch.no_grad():
            x = network.initial()["params"].new_zeros(1, *world.example)
            z = chain[0].segment.forward(chain[0].segment.initial(), x, train=False)[0]
            y = chain[1].segment.forward(chain[1].segment.initial(), z, train=False)[0]
        head = self._head(z[0], y.shape[1:], world.learner.seed)
        return replace(chain, beside=(Link("auxiliary", head, "institution", None),))

    def _head(self, z: torch.Tensor, outputs: torch.Size, seed: int) -> Network:
        """The auxiliary head for smashed data like z [...], the same at every institution at the start."""
        nn = torch.nn

        def stages() -> list[tuple[str, nn.Module]]:
            wide, layers = z.numel(), [nn.Flatten()]
            if self.auxiliary_hidden:
                layers += [nn.Linear(wide, self.auxiliary_hidden), nn.ReLU()]
                wide = self.auxiliary_hidden
            layers.append(nn.Linear(wide, outputs.numel()))
            return [("auxiliary", nn.Sequential(*layers, nn.Unflatten(1, outputs)))]

        return build(stages, seed_for(seed, "auxiliary"), z.dtype, z.device)
