"""The section `faults` of an experiment file: who is away, which messages are lost, which arrive late."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain, pairwise
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from swarmsim.schedule.choice import check_choice
from swarmsim.types import Arguments, InputError

__all__ = ["Churn", "Delay", "Down", "Faults", "Interval", "LinkLoss", "Parted", "check_read"]

Name = Annotated[str, Field(min_length=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Chance = Annotated[float, Field(gt=0, le=1)]


class Churn(Arguments):
    """When institutions come and go by themselves."""

    use: Literal["markov", "trace"] = Field(description="markov: on and off at random; trace: as it was observed")
    mean_up: float | None = Field(None, ge=1, description="markov: mean rounds awake in a row")
    mean_down: float | None = Field(None, ge=1, description="markov: mean rounds away in a row")
    start_up: Probability | None = Field(
        None, description="markov: probability of being awake in round 1; default mean_up / (mean_up + mean_down)"
    )
    path: Name | None = Field(
        None, description="trace: a CSV file, a line for each round: round and a column for each institution, 1 or 0"
    )
    rows: dict[Name, tuple[Literal[0, 1], ...]] | None = Field(
        None, description="trace: for each institution 1 (awake) or 0, round by round; others are always awake"
    )

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if self.use == "markov":
            check_choice(self, "churn", ("mean_up", "mean_down"), ("start_up",))
        else:
            check_choice(self, "churn", (), ("path", "rows"))
            if (self.path is None) == (self.rows is None):
                raise ValueError("churn trace needs one of path and rows")
        return self


class Interval(Arguments):
    """Rounds `from`, from + 1, ..., until - 1."""

    model_config = ConfigDict(serialize_by_alias=True)

    first: int = Field(1, alias="from", ge=1, description="the first round")
    until: int | None = Field(None, ge=2, description="the round in which it is over; absent: never")

    @model_validator(mode="after")
    def _not_empty(self) -> Self:
        if self.until is not None and self.until <= self.first:
            raise ValueError(
                f"from {self.first} until {self.until} holds no round: it is over in round `until`, so write "
                f"until: {self.first + 1} or more"
            )
        return self

    def rounds(self, count: int) -> slice:
        """The rounds among 0..count-1; InputError where there are none."""
        if self.first > count:
            raise InputError(f"faults: from {self.first} is behind the last round {count}; leave it out or run longer")
        return slice(self.first - 1, count if self.until is None else min(self.until - 1, count))


class Down(Interval):
    """One institution that crashes and recovers, leaves, or joins late (from 1)."""

    institution: Name = Field(description="who is away")


class Parted(Interval):
    """Groups that cannot reach each other, until the network heals."""

    groups: tuple[Annotated[tuple[Name, ...], Field(min_length=1)], ...] = Field(
        min_length=1, description="names, group by group; institutions in no group are one more group together"
    )

    @model_validator(mode="after")
    def _disjoint(self) -> Self:
        named = list(chain.from_iterable(self.groups))
        if twice := sorted({name for name in named if named.count(name) > 1}):
            raise ValueError(f"{twice[0]!r} is named twice in groups: an institution is in one group at a time")
        return self


class LinkLoss(Arguments):
    """Messages that are sent and do not arrive."""

    use: Literal["independent", "gilbert_elliott"] = Field(
        description="independent: each by itself; gilbert_elliott: links are good or bad for some time (bursts)"
    )
    probability: Probability | None = Field(None, description="independent: of losing a message")
    to_bad: Chance | None = Field(None, description="gilbert_elliott: probability that a good link is bad next round")
    to_good: Chance | None = Field(None, description="gilbert_elliott: probability that a bad link is good next round")
    lost_good: Probability = Field(0.0, description="gilbert_elliott: probability of a loss on a good link")
    lost_bad: Probability = Field(1.0, description="gilbert_elliott: probability of a loss on a bad link")
    symmetric: bool = Field(True, description="both directions of a link fail together; false: each by itself")

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if self.use == "independent":
            check_choice(self, "link_loss", ("probability",), ("symmetric",))
        else:
            check_choice(self, "link_loss", ("to_bad", "to_good"), ("lost_good", "lost_bad", "symmetric"))
        return self


class Delay(Arguments):
    """How many rounds old the values are that arrive."""

    use: Literal["uniform", "geometric"] = Field(
        description="uniform: 0 to most; geometric: P(age > a) falls by one factor a round"
    )
    most: int = Field(ge=1, description="rounds; none is older")
    mean: float | None = Field(None, gt=0, description="geometric: mean rounds, before ages are cut off at most")

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        check_choice(self, "delay", ("mean",) if self.use == "geometric" else (), ("most",))
        return self


class Faults(Arguments):
    """What goes wrong: institutions away, messages lost or late, networks parted. Rounds count from 1."""

    participation: Chance = Field(1.0, description="share of the institutions that are there, drawn in every round")
    churn: Churn | None = Field(None, description="{use: markov, mean_up, mean_down} or {use: trace, path or rows}")
    down: tuple[Down, ...] = Field((), description="[{institution: NAME, from: round, until: round}, ...]")
    link_loss: LinkLoss | None = Field(
        None, description="{use: independent, probability} or {use: gilbert_elliott, ...}"
    )
    partitions: tuple[Parted, ...] = Field((), description="[{groups: [[NAME, ...], ...], from, until}, ...]")
    lost_weight: Literal["self", "sender"] = Field(
        "self",
        description="where the weight of a message goes that does not arrive: the receiver's own value (rows of W "
        "still sum to 1), or the sender keeps it (columns still sum to 1: push-sum)",
    )
    delay: Delay | None = Field(None, description="{use: uniform, most: rounds} or {use: geometric, most, mean}")

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        for name in {down.institution for down in self.down}:
            _refuse_overlap([down for down in self.down if down.institution == name], f"down: {name}")
        _refuse_overlap(self.partitions, "partitions")
        return self


def _refuse_overlap(intervals: Collection[Interval], what: str) -> None:
    ordered = sorted(intervals, key=lambda interval: interval.first)
    for before, after in pairwise(ordered):
        if before.until is None or after.first < before.until:
            ends = "without end" if before.until is None else f"until {before.until}"
            raise ValueError(f"{what}: from {before.first} {ends} overlaps from {after.first}; join the two")


def check_read(faults: Faults, read: Collection[str], label: str) -> None:
    """Refuse what is written in `faults` and would change nothing for a method that obeys only the keys `read`."""
    fields = type(faults).model_fields
    ignored = [name for name in fields if name not in read and getattr(faults, name) != fields[name].default]
    if ignored:
        obeyed = ", ".join(name for name in fields if name in read) or "none of them"
        raise InputError(f"faults: {label} is not affected by {', '.join(ignored)}; it obeys {obeyed}; leave it out")
