"""Leader merge: the protocol of hospital swarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from swarmsim.local.merging import merged_at
from swarmsim.local.obeying import AT_ONCE, DELIVERED, NO_MIXING, PACE, RESENT, Words, away
from swarmsim.local.sharing import Averaging, Shared, exchange, shares
from swarmsim.network.located import Located
from swarmsim.schedule.protocol import MergePlan, Protocol
from swarmsim.types import InputError, Tick

__all__ = ["LeaderMerge"]

LATE = {"stragglers": "who is slow may be late for a merge", "straggling": "who is slow may be late for a merge"}
Given = dict[str, Annotated[float, Field(ge=0)]]


@dataclass(frozen=True)
class State:
    members: Located
    merged: Located  # the weights of the last merge that each institution took
    held: list[int]  # which merge that was, from 1; 0 before the first
    leader: int  # who led the last merge
    snapshots: Located  # what those trained last whose training ends, for at_end: keep_snapshot


class LeaderMerge(Averaging, Protocol):
    """Leader merge: an elected leader collects the models of a quorum, merges them and sends the merge back.

    x_i <- train_i(x_i) for those who begin to train; x <- sum_i p_i x_i at the leader over those whose contribution is
    there in time, with p_i proportional to N_i (`weights: samples`), to 1, or to given numbers, times age_weight^age
    of what comes late; x_i <- x for those who wait for it. Who trains, leads, is late or away follows from `pace`,
    `faults` and the arguments before anything moves; merges.csv says who was in every merge, and why others were not.
    Section `merge` replaces the mean by a robust rule. Optimisers stay where they are.

    With everybody on time the mathematics is that of federated averaging without a server, and the traffic is
    2 (n - 1) d parameters a round, all of it through the leader. A hospital that was away takes the last merge (d
    parameters) before it trains again.

    Reference: Warnat-Herresthal et al., Swarm Learning for decentralized and confidential clinical machine learning,
    Nature 2021.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    robust: ClassVar[bool] = True
    centres: ClassVar[bool] = True
    under: ClassVar[Words] = {
        **away("another leads if it was to lead, and it takes the last merge when it is back"),
        **PACE, **LATE, **RESENT, **DELIVERED, "partitions": "who is not on the leader's side is not in the merge",
    }  # fmt: skip
    refuses: ClassVar[Words] = {**NO_MIXING, **AT_ONCE, "quorum": "min_peers and no_quorum are its own"}
    resends: ClassVar[bool] = True

    weights: Literal["samples", "equal"] | Given = Field(
        "samples",
        description="what an institution's model counts for: by samples, equal, or a number for each by name; "
        "if all in a merge count 0 they count the same",
    )

    @model_validator(mode="after")
    def _counts_something(self) -> Self:
        if isinstance(self.weights, dict) and not sum(self.weights.values()):
            raise ValueError("weights: all of them are 0, so there would be nothing to merge")
        if self.sync is not None and (self.local_steps is not None or self.local_epochs is not None):
            raise ValueError("sync says how long an institution trains; leave local_steps and local_epochs out")
        return self

    def check_names(self, names: tuple[str, ...]) -> None:
        """Raises InputError for weights that are not those of the institutions."""
        if isinstance(self.weights, dict) and set(self.weights) != set(names):
            wrong = sorted(set(self.weights) ^ set(names))
            raise InputError(f"weights: needs a number for each of {', '.join(names)}; wrong or missing: {wrong[0]}")

    def start(self, world) -> State:
        members = world.institutions.each(lambda i: world.learner.start())
        return State(members, members["weights"], [0] * len(world.institutions.members), 0, Located({}))

    def round(self, state: State, tick: Tick, world) -> State:
        plan, everyone, shared = tick.plan, world.institutions, self.shared(world.learner.network)
        state = self._caught_up(state, tick, shared, world)
        for i, begins in zip(plan.trains, plan.begins, strict=True):
            world.net.hold(everyone, i, begins)
        members = world.train(state.members, tick, everyone.only(plan.trains)) if plan.trains else state.members
        snapshots = state.snapshots | self._ending(members, plan, world)
        self._report(tick, plan, world)
        if not plan.contributors:
            return replace(state, members=members, snapshots=snapshots)
        fresh = self._merge(members, snapshots, plan, shared, world)
        receivers = everyone.only(plan.receivers)
        taken = receivers.map(lambda m, w: {**m, "weights": w}, members, fresh)
        latest = max(state.held) + 1
        held = [latest if i in plan.receivers else count for i, count in enumerate(state.held)]
        return State(_with(members, taken), _with(state.merged, fresh), held, plan.leader, snapshots)

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def _caught_up(self, state: State, tick: Tick, shared: Shared, world) -> State:
        """Who missed a merge takes the last one that somebody there has, before training; from its leader if it can."""
        behind, there = tick.plan.catches_up, _there(tick, world.institutions.members)
        latest = max((state.held[i] for i in there), default=0)
        group = world.institutions.only(i for i in behind if state.held[i] < latest)
        if not group.members:
            return state
        has = [i for i in there if state.held[i] == latest]
        holder = state.leader if state.leader in has else has[0]

        def send(values: Located, kind: str) -> Located:
            return world.net.broadcast(values, world.institutions, holder, group, kind)

        weights = exchange(send, state.merged, state.members["weights"], group, shared)
        members = _with(state.members, group.map(lambda m, w: {**m, "weights": w}, state.members, weights))
        held = [latest if i in group.members else count for i, count in enumerate(state.held)]
        return replace(state, members=members, merged=_with(state.merged, weights), held=held)

    def _ending(self, members: Located, plan: MergePlan, world) -> Located:
        """The models that stay in merges behind the last round of those who trained them now."""
        names, keeps = world.institutions.names, self.at_end == "keep_snapshot"
        group = world.institutions.only(i for i in plan.trains if keeps and names[i] in self.ends)
        return group.each(lambda i, weights: weights, members["weights"])

    def _merge(self, members: Located, snapshots: Located, plan: MergePlan, shared: Shared, world) -> Located:
        """The merge of the contributions at the leader, at everyone who receives it."""
        who, net, everyone = [i for i, _ in plan.contributors], world.net, world.institutions
        p = shares("samples", [self._count(i, world) * self.weight(age) for i, age in plan.contributors])
        sources, receivers = everyone.only(who), everyone.only(plan.receivers)
        gone = everyone.only(i for i in who if i not in plan.receivers)
        held = members["weights"]
        held = held | gone.each(lambda i, weights: weights, snapshots) if gone.members else held

        def merge(values: Located, kind: str) -> Located:
            one = merged_at(net, world.merge, values, p, sources, everyone, plan.leader, kind)
            net.hold(everyone, plan.leader, plan.time)
            return net.broadcast(one, everyone, plan.leader, receivers, kind)

        return exchange(merge, held, members["weights"], receivers, shared)

    def _count(self, i: int, world) -> float:
        if isinstance(self.weights, dict):
            return self.weights[world.institutions.names[i]]
        return world.sizes[i] if self.weights == "samples" else 1

    def _report(self, tick: Tick, plan: MergePlan, world) -> None:
        """A line of merges.csv for everybody who was in the merge, and for why others were not."""
        names = world.institutions.names
        reasons = "; ".join(f"{names[i]}: {reason}" for i, reason in plan.left_out) or "all contributed"
        late = [f"{names[i]}: {age} rounds old" for i, age in plan.contributors if age]
        deposed = [f"instead of {names[plan.deposed]}"] if plan.deposed is not None else []
        leader = names[plan.leader] if plan.leader is not None else ""
        contributors = tuple(names[i] for i, _ in plan.contributors)
        world.report_merge(tick, leader, contributors, "; ".join([reasons, *late, *deposed]))


def _there(tick: Tick, members: Sequence[int]) -> list[int]:
    """Who is awake and on the leader's side, so that it can send."""
    cut_off = {i for i, reason in tick.plan.left_out if reason == "cut off"}
    return [i for i in tick.awake(members) if i not in cut_off]


def _with(held: Located, newer: Located) -> Located:
    """Newer values where there are some; all of them, if everybody has one."""
    return newer if len(newer) == len(held) else held | newer
