"""Horizontal split learning: one program, four axes; the named methods are presets of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from swarmsim.algorithms.split._steps import split_step
from swarmsim.lazy import torch
from swarmsim.local.halves import compose
from swarmsim.local.sharing import Averaging, exchange, shares
from swarmsim.network.located import Group, Located
from swarmsim.rng import stream
from swarmsim.rows import Network, Segment, resolve_cut
from swarmsim.types import InputError, Tick

__all__ = ["Horizontal"]


@dataclass(frozen=True)
class State:
    members: Located  # {"bottom": member, "head": member}: what an institution holds; no head if labels are sent
    server_tops: Located  # a member a server copy: the top, or the trunk between bottom and head
    holder: int  # whose bottom is the latest, where it is handed over


class Horizontal(Averaging):
    """Split learning over examples: institutions hold the bottom of one network, a server holds the rest.

    For a batch of institution i: z = bottom(x) goes to the server, the server steps the top on loss(top(z), y) and
    returns the cut gradient dloss/dz, with which i steps the bottom. With labels at the institution the server holds
    a trunk, whose output goes back to i, who holds the head too (U-shaped). The parts together take exactly the step
    that the unsplit network takes.

    Axes: `copies` of the server's part (one; or one an institution, averaged every round), the order of `serving`,
    what happens to `institution_weights` between turns, and where the `labels` are. A round serves every
    institution's batches once; D examples of S bytes of smashed data move 2 D S bytes (4 tensors if U-shaped).
    Equal concatenated batches with bottoms averaged after each and `cut_gradient: own` are one step of SGD on the joint
    batch. By institution with everything handed over, it is cyclical weight transfer of the unsplit network; one copy
    an institution with averaged bottoms is federated averaging.

    Reference: Gupta and Raskar, Distributed learning of deep neural network over multiple agents, JNCA 2018;
    Vepakomma et al., Split learning for health, 2018 (arXiv:1812.00564).
    """

    packs: ClassVar[bool] = False

    cut: int | str | tuple[int | str, int | str] = Field(
        description="stages before the cut, or the name of the first stage behind it; two cuts for labels at home"
    )
    copies: Literal["one", "per_institution"] = Field("one", description="of the server's part; several are averaged")
    serving: Literal["by_institution", "reverse", "random", "interleaved", "concatenated"] = Field(
        "by_institution",
        description="order of batches: turns, turns backwards, shuffled turns, one batch each, all at once",
    )
    institution_weights: Literal["handed_over", "private", "averaged_each_epoch", "averaged_each_batch"] = Field(
        "handed_over", description="the bottoms (and heads) of different institutions"
    )
    labels: Literal["server", "institution"] = Field("server", description="who computes the loss")
    optimizer_state: Literal["keep", "handover", "reset"] | None = Field(
        None, description="of the institutions' parts between turns; absent: handover if weights are, else keep"
    )
    cut_gradient: Literal["joint", "own"] = Field(
        "joint",
        description="concatenated: gradient of the mean loss over all N examples, or times N/n_k, over one's own",
    )
    weights: Literal["samples", "equal"] = Field("samples", description="what an institution counts for in averages")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        two = isinstance(self.cut, tuple)
        if two != (self.labels == "institution"):
            raise ValueError(
                "labels: institution needs two cuts, cut: [a, b] (bottom, trunk, head); labels: server one, cut: k"
            )
        if self.serving == "concatenated" and self.copies == "per_institution":
            raise ValueError("serving: concatenated joins the batches at one server copy; use copies: one")
        if self.serving == "concatenated" and self.institution_weights == "handed_over":
            raise ValueError(
                "serving: concatenated has all institutions compute at once, so no bottom can be handed over; "
                "use institution_weights: private, averaged_each_epoch or averaged_each_batch"
            )
        together = self.serving in ("interleaved", "concatenated")
        if self.institution_weights == "averaged_each_batch" and not together:
            raise ValueError(
                "institution_weights: averaged_each_batch averages after the k-th batches of all institutions; with "
                f"serving: {self.serving} these are far apart; use interleaved or concatenated"
            )
        if self.cut_gradient == "own" and self.serving != "concatenated":
            raise ValueError("cut_gradient: own differs from joint only with serving: concatenated; leave it out")
        if self.optimizer_state == "handover" and self.institution_weights != "handed_over":
            raise ValueError("optimizer_state: handover needs institution_weights: handed_over; use keep or reset")
        return self

    # ------------------------------------------------------------------------------------------ the program

    def servers(self, n: int) -> int:
        return n if self.copies == "per_institution" else 1

    def start(self, world) -> State:
        names, learner = self.parts_of(world.learner.network), world.learner
        top = names.pop("top")
        members = world.institutions.each(lambda i: {name: learner.start(part) for name, part in names.items()})
        return State(members, world.server.each(lambda s: learner.start(top)), self._turns(0, world)[0])

    def round(self, state: State, tick: Tick, world) -> State:
        return self.program(state, tick, world, split_step)

    def program(self, state: State, tick: Tick, world, take_step) -> State:
        """A round with a given way to step on the k-th batches of some institutions: split, or its unsplit twin."""
        institutions, learner = world.institutions, world.learner
        batches = institutions.each(lambda i, xy: learner.batches(i, len(xy[1]), tick.t), world.shards)
        if self.optimizer_state == "reset" and self.institution_weights != "handed_over":
            state = self._reset(state, world, institutions, world.server)
        for who, k in self._steps(tick.t, world):
            if self.institution_weights == "handed_over" and who[0] != state.holder:
                state = self._hand_over(state, who[0], world)
            state = take_step(self, state, who, k, batches, tick, world)
            if self.institution_weights == "averaged_each_batch" and who[-1] == self._last(k, world):
                state = replace(state, members=self._average_members(state, world))
        return self._close(state, tick, world)

    def models(self, state: State, world) -> Located:
        """Bottom, server's part and head of each institution, composed."""
        institutions, server, net = world.institutions, world.server, world.net
        members = {name: state.members[name]["weights"] for name in self._private_names()}
        if self.institution_weights == "handed_over":
            members = {
                name: net.broadcast(weights, institutions, state.holder, institutions, "weights")
                for name, weights in members.items()
            }
        tops = state.server_tops["weights"]
        if self.copies == "one":
            tops = net.broadcast(tops, server, 0, institutions, "weights")
        else:
            tops = net.send(tops, server, institutions, "weights")
        order = [members["bottom"], tops, *([members["head"]] if "head" in members else [])]
        return institutions.each(lambda i, *parts: compose(list(parts)), *order)

    def parts(self, state: State) -> dict[str, Located]:
        """The parts as they are held."""
        held = {name: state.members[name]["weights"] for name in self._private_names()}
        return held | {"trunk" if "head" in held else "top": state.server_tops["weights"]}

    def count_evaluation(self, world, institution: int, x: torch.Tensor) -> None:
        """Note what trying the model on examples x of an institution would send: smashed data there, outputs back."""
        segments, copy = self.parts_of(world.learner.network), self.copy_of(institution)
        sides = [(world.institutions, institution), (world.server, copy)]
        with torch.no_grad():
            here = x[:1]
            for name, kind in (("bottom", "eval_smashed_data"), ("top", self._returned_kind())):
                here = segments[name].forward(segments[name].initial(), here, train=False)[0]
                (src, i), (dst, j) = sides
                world.net.note(src, i, dst, j, kind, here.numel() * here.element_size() * len(x))
                sides.reverse()

    # ------------------------------------------------------------------------------------------ its pieces

    def _returned_kind(self) -> str:
        return "eval_smashed_data" if self.labels == "institution" else "eval_control"

    def parts_of(self, network: Network) -> dict[str, Segment]:
        """The parts of a network at this cut: bottom, top (the server's), and head where labels stay at home."""
        cuts = self.cut if isinstance(self.cut, tuple) else (self.cut,)
        ends = [0, *(resolve_cut(cut, network.names) for cut in cuts), len(network.names)]
        if sorted(set(ends)) != ends:
            raise InputError(f"cut: {list(cuts)} must ascend; stages: {', '.join(network.names)}")
        names = ("bottom", "top", "head")
        return {name: network.segment(a, b) for name, a, b in zip(names, ends, ends[1:], strict=False)}

    def copy_of(self, institution: int) -> int:
        """The server copy that serves an institution."""
        return institution if self.copies == "per_institution" else 0

    def _private_names(self) -> list[str]:
        return ["bottom", "head"] if self.labels == "institution" else ["bottom"]

    def _turns(self, t: int, world) -> list[int]:
        """Institutions with examples, in the order in which round t serves them."""
        order = [i for i, size in enumerate(world.sizes) if size]
        if self.serving == "reverse":
            return order[::-1]
        if self.serving == "random":
            return stream(world.learner.seed, "serving", t).permutation(order).tolist()
        return order

    def _steps(self, t: int, world) -> list[tuple[list[int], int]]:
        """(institutions, k): whose k-th batches are served together, in order."""
        counts = {i: world.learner.count(world.sizes[i]) for i in self._turns(t, world)}
        if self.serving not in ("interleaved", "concatenated"):
            return [([i], k) for i, count in counts.items() for k in range(count)]
        together = [([i for i, count in counts.items() if k < count], k) for k in range(max(counts.values()))]
        if self.serving == "concatenated":
            return together
        return [([i], k) for who, k in together for i in who]

    def _last(self, k: int, world) -> int:
        """The last institution that has a k-th batch."""
        return max(i for i, size in enumerate(world.sizes) if world.learner.count(size) > k)

    def _hand_over(self, state: State, receiver: int, world) -> State:
        """The latest bottom (and head) goes from its holder to the institution whose turn it is."""
        src, dst = world.institutions.only([state.holder]), world.institutions.only([receiver])

        def move(values: Located, kind: str) -> Located:
            return world.net.send(values, src, dst, kind, {state.holder: receiver})

        policy, members, segments = self.optimizer_state or "handover", {}, self.parts_of(world.learner.network)
        for name in self._private_names():
            mine = state.members[name]
            weights = exchange(move, mine["weights"], mine["weights"], dst, self.shared(segments[name]))
            optimizer = move(mine["optimizer"], "optimizer_state") if policy == "handover" else mine["optimizer"]
            if policy == "reset":
                optimizer = dst.each(lambda i, w: world.learner.rule.start(w["params"]), weights)
            members[name] = dst.each(lambda i, w, o: {"weights": w, "optimizer": o}, weights, optimizer)
        joined = dst.each(lambda i, *parts: dict(zip(members, parts, strict=True)), *members.values())
        return replace(state, members=state.members | joined, holder=receiver)

    def _close(self, state: State, tick: Tick, world) -> State:
        """The end of a round: averages, and the hand-over to whoever is served first in the next."""
        if self.institution_weights == "averaged_each_epoch":
            state = replace(state, members=self._average_members(state, world))
        if self.copies == "per_institution":
            state = replace(state, server_tops=self._average_tops(state, world))
        if self.institution_weights == "handed_over" and (first := self._turns(tick.t + 1, world)[0]) != state.holder:
            state = self._hand_over(state, first, world)
        return state

    def _average_members(self, state: State, world) -> Located:
        """Every institution's bottom (and head) replaced by their mean, computed at the server."""
        institutions, server, p = world.institutions, world.server, shares(self.weights, world.sizes)

        def average(values: Located, kind: str) -> Located:
            mean = world.net.average(values, p, institutions, server, 0, kind)
            return world.net.broadcast(mean, server, 0, institutions, kind)

        segments, members = self.parts_of(world.learner.network), state.members
        for name in self._private_names():
            weights = state.members[name]["weights"]
            mean = exchange(average, weights, weights, institutions, self.shared(segments[name]))
            members = institutions.each(
                lambda i, m, w, name=name: {**m, name: {**m[name], "weights": w}}, members, mean
            )
        return members

    def _average_tops(self, state: State, world) -> Located:
        """Every server copy replaced by their mean; they share a place, so nothing crosses the net."""
        server, p, net = world.server, shares(self.weights, world.sizes), world.net.uncounted()

        def average(values: Located, kind: str) -> Located:
            return net.broadcast(net.average(values, p, server, server, 0, kind), server, 0, server, kind)

        tops = state.server_tops["weights"]
        mean = exchange(average, tops, tops, server, self.shared(self.parts_of(world.learner.network)["top"]))
        return server.each(lambda s, member, weights: {**member, "weights": weights}, state.server_tops, mean)

    def _reset(self, state: State, world, institutions: Group, server: Group) -> State:
        """Fresh optimisers everywhere."""
        rule = world.learner.rule

        def fresh(member: dict) -> dict:
            return {**member, "optimizer": rule.start(member["weights"]["params"])}

        members = institutions.each(lambda i, held: {name: fresh(part) for name, part in held.items()}, state.members)
        tops = server.each(lambda s, member: fresh(member), state.server_tops)
        return replace(
            state, members=members, server_tops=tops if self.copies == "per_institution" else state.server_tops
        )
