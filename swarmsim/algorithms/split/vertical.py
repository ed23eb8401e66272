"""Vertical split learning: institutions hold other columns, or modalities, of the same patients."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, ClassVar, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from swarmsim.algorithms.split import _joint, _steps
from swarmsim.algorithms.split._chain import Chain, Link
from swarmsim.algorithms.split._columns import Columns, features
from swarmsim.algorithms.split._flights import Flights
from swarmsim.algorithms.split._present import REFUSES, present, under
from swarmsim.lazy import torch
from swarmsim.local.batches import Batches
from swarmsim.local.halves import compose
from swarmsim.local.obeying import Words
from swarmsim.local.training import Training
from swarmsim.network.located import Group, Located
from swarmsim.rows import Network, Segment, resolve_cut
from swarmsim.trees import nbytes
from swarmsim.types import InputError, Schedule, Tick

__all__ = ["Vertical"]


BLOCKS = (
    "its features count as 0, which the model must allow; without the institution with the labels there is no round"
)


@dataclass(frozen=True)
class State:
    members: Located  # {"branch": {"weights": ..., "optimizer": ...}} at an institution; "head" where the labels are
    server_parts: Located  # {"top": ...}, or {"trunk": ...}


class Vertical(Training):
    """Vertical split learning: institutions hold other columns, or modalities, of the same patients.

    For the same patients b at all institutions: z_i = branch_i(x_i), of width w_i; the server steps its top on
    loss(top(z_1, ..., z_n), y) for the features side by side (or fused as the model says) and returns to each its slice
    of the gradient. Labels come from the one institution that has them, or stay there, with the head: then the server's
    trunk sends its output on. It is the training of the joint model on the joined columns; D patients move
    2 D (w_1 + ... + w_n) numbers a round. Which patients a batch has follows from the common seed. The features of an
    institution that is away are 0, as those of a patient who lacks the block (`missing: zero` of the model).

    Reference: Vepakomma et al., Split learning for health, 2018 (arXiv:1812.00564), vertically partitioned data;
    Ceballos et al., SplitNN-driven vertical partitioning, 2020 (arXiv:2008.04137), for the ways to fuse.
    """

    packs: ClassVar[bool] = False
    vertical: ClassVar[bool] = True
    cut_gradient: ClassVar[str] = "joint"
    twin: ClassVar[str] = "the joint model on the joined columns"
    under: ClassVar[Words] = under("there is no round", BLOCKS)
    refuses: ClassVar[Words] = REFUSES
    resends: ClassVar[bool] = True

    labels: Literal["server", "institution"] = Field("server", description="who computes the loss")
    cut: int | str | None = Field(
        None,
        description="labels: institution: stages before the head (or its first stage), counted from the branches on",
    )
    clip_norm: Literal["global", "part"] = Field("global", description="clip: the norm of all parts, or of each")
    in_flight: int = Field(1, ge=1, le=64, description="batches on their way at once; above 1 weights are stale")

    @model_validator(mode="after")
    def _consistent_cut(self) -> Self:
        if (self.cut is None) == (self.labels == "institution"):
            raise ValueError("labels: institution needs a cut, where its head begins; labels: server has none")
        if self.clip is None and self.clip_norm != "global":
            raise ValueError("clip_norm says of which norm clip is the limit: give clip, or leave it out")
        return self

    def servers(self, n: int) -> tuple[str, ...]:
        return ("server",)

    def start(self, world) -> State:
        chain, learner = self._chain(world), world.learner

        def parts(group: Group) -> Located:
            return group.each(
                lambda m: {
                    link.name: learner.start(link.segment_of(m))
                    for link in chain
                    if link.group == group.kind and link.at in (None, m)
                }
            )

        return State(parts(world.institutions), parts(world.server))

    def check_away(self, schedule: Schedule, model: Any, holder: int) -> None:
        """Raises InputError where somebody but the label holder is away and the model does not allow it."""
        up = schedule.active
        if up is None or up[up[:, holder]].all() or getattr(model, "missing", None) == "zero":
            return
        t, i = np.argwhere(up[:, [holder]] & ~up)[0].tolist()
        raise InputError(
            f"faults: in round {t + 1} institution {i + 1} is away, and the model does not say what its features are "
            "then; write missing: zero in section model (a placeholder is learned where the block is, and not there)"
        )

    def round(self, state: State, tick: Tick, world) -> State:
        return self._program(state, tick, world, _steps)

    def unsplit_round(self, state: State, tick: Tick, world) -> State:
        """The same round of the joint model on the joined columns; for one host."""
        return self._program(state, tick, world, _joint)

    def _program(self, state: State, tick: Tick, world, how: ModuleType) -> State:
        chain, t, holder, learner = self._chain(world), tick.t, world.label_holder, world.learner
        there = present(self, chain, tick, world)
        if holder not in there:
            return state
        batches = world.institutions.only(there).each(
            lambda i, xy: Batches(xy, learner.batches(holder, len(xy[1]), t)), world.shards
        )
        flights = Flights(self.in_flight, how, world)
        nobody = learner.network.initial()["params"].new_zeros(1, *world.example)
        widths = [z.shape[1] for z in features(chain, world.blocks, nobody)]
        for k in range(learner.count(world.sizes[holder])):
            state = flights.begin(Columns(self, chain, there, k, t, world, widths), state, batches)
        return flights.land(state)

    def models(self, state: State, world) -> Located:
        """The joint model, where the labels are."""
        institutions, net, holder = world.institutions, world.net, world.label_holder
        there = institutions.only([holder])
        branches = net.gather(state.members["branch"]["weights"], institutions, institutions, holder, "weights")
        (server,) = [link for link in self._chain(world) if link.group == "server"]
        middle = net.broadcast(state.server_parts[server.name]["weights"], world.server, 0, there, "weights")

        def whole(i: int, parts: list, between: dict, held: dict) -> dict:
            return compose([*parts, between, *([held["head"]["weights"]] if "head" in held else [])])

        return there.each(whole, branches, middle, state.members)

    def parts(self, state: State) -> dict[str, Located]:
        """What the server holds; branches differ in size, so they are in the joint model alone."""
        return {
            name: Located({m: part["weights"]})
            for m, held in state.server_parts.values.items()
            for name, part in held.items()
        }

    def parts_of(self, network: Network, n: int) -> dict[str, Segment]:
        """The server's part and, where the labels stay, the head; the first n stages are the branches."""
        if self.cut is None:
            return {"top": network.segment(n, len(network.names))}
        cut = resolve_cut(self.cut, network.names)
        if cut <= n:
            raise InputError(
                f"cut: {self.cut!r} leaves nothing to the server; stages behind the branches: "
                f"{', '.join(network.names[n:])}"
            )
        return {"trunk": network.segment(n, cut), "head": network.segment(cut, len(network.names))}

    def count_evaluation(self, world, institution: int, x: torch.Tensor) -> None:
        """Note what trying the joint model on patients x [m, all columns] would send: features, and outputs back."""
        institutions, server, net = world.institutions, world.server, world.net
        chain = self._chain(world)
        sent, middle = features(chain, world.blocks, x[:1]), chain[1].segment
        for i, z in enumerate(sent):
            net.note(institutions, i, server, 0, "eval_smashed_data", nbytes(z) * len(x))
        with torch.no_grad():
            back = middle.forward(middle.initial(), torch.cat(sent, 1), train=False)[0]
        kind = "eval_control" if self.cut is None else "eval_smashed_data"
        net.note(server, 0, institutions, world.label_holder, kind, nbytes(back) * len(x))

    # ------------------------------------------------------------------------------- what a step asks of its method

    def copy_of(self, institution: int, world) -> int:
        return 0

    def rate_of(self, link: Link) -> float:
        return 1.0

    def cut_gradients(self, pieces: list[torch.Tensor], route) -> list[torch.Tensor]:
        return pieces

    def _chain(self, world) -> Chain:
        network, holder = world.learner.network, world.label_holder
        branches = tuple(network.segment(i, i + 1) for i in world.institutions.members)
        links = [Link("branch", branches[0], "institution", None, branches)]
        for name, segment in self.parts_of(network, len(branches)).items():
            links.append(Link(name, segment, *(("institution", holder) if name == "head" else ("server", 0))))
        return Chain(tuple(links))
