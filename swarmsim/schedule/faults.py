"""The section `faults` of an experiment file: who is away or slow, and which messages are lost, late or twice there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import chain, pairwise
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from swarmsim.schedule.choice import check_choice
from swarmsim.types import Arguments, InputError

__all__ = [
    "Churn", "Delay", "Down", "Faults", "Interval", "LinkLoss", "Parted", "Quorum", "Reordering", "Straggler",
    "Straggling", "check_read",
]  # fmt: skip

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
    """One institution, or server, that crashes and recovers, leaves, or joins late (from 1)."""

    institution: Name = Field(description="who is away: an institution, or a server of the method, such as `server`")


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

    use: Literal["uniform", "geometric", "clock"] = Field(
        description="uniform: 0 to most; geometric: P(age > a) falls by one factor a round; clock: by speeds and lines"
    )
    most: int = Field(ge=1, le=64, description="rounds; none is older")
    seconds: float | None = Field(
        None, gt=0, description="clock: of a round; absent: the fastest training, or as long as `most` needs"
    )
    mean: float | None = Field(None, gt=0, description="geometric: mean rounds, before ages are cut off at most")

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        reads = ("most", "seconds") if self.use == "clock" else ("most",)
        check_choice(self, "delay", ("mean",) if self.use == "geometric" else (), reads)
        return self


class Quorum(Arguments):
    """How many institutions a round needs, and what becomes of rounds with fewer."""

    min: int = Field(ge=1, description="institutions that must be awake")
    otherwise: Literal["skip", "stop"] = Field(
        "skip", description="skip: the round changes nothing; stop: the run is refused before it trains"
    )


class Straggler(Interval):
    """One institution that computes more slowly for some rounds."""

    institution: Name = Field(description="who is slow")
    factor: float = Field(ge=1, le=1e6, description="how many times as long everything that it computes takes")


class Straggling(Arguments):
    """Institutions that are slow by chance, drawn anew in every round."""

    probability: Probability = Field(description="of being slow, for each institution and round")
    factor: float = Field(ge=1, le=1e6, description="how many times as long everything that it computes takes")


class Reordering(Arguments):
    """Messages that are held up on the way, so that later ones overtake them."""

    probability: Probability = Field(description="of being held up, for each message")
    seconds: float = Field(gt=0, description="simulated seconds for which it is held up")


class Faults(Arguments):
    """What goes wrong: who is away or slow, messages lost, late or doubled, networks parted. Rounds count from 1."""

    participation: Chance = Field(1.0, description="share of the institutions that are there, drawn in every round")
    churn: Churn | None = Field(None, description="{use: markov, mean_up, mean_down} or {use: trace, path or rows}")
    down: tuple[Down, ...] = Field((), description="[{institution: NAME, from: round, until: round}, ...]")
    quorum: Quorum | None = Field(None, description="{min: institutions, otherwise: skip | stop}")
    stragglers: tuple[Straggler, ...] = Field((), description="[{institution: NAME, factor, from, until}, ...]")
    straggling: Straggling | None = Field(None, description="{probability, factor}: by chance, beside `stragglers`")
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
    duplication: Probability = Field(0.0, description="of a message arriving twice; the copy is thrown away")
    reordering: Reordering | None = Field(
        None,
        description="{probability, seconds}: messages that later ones overtake; they are used in order all the same",
    )

    @model_validator(mode="after")
    def _no_overlap(self) -> Self:
        for key in ("down", "stragglers"):
            given = getattr(self, key)
            for name in {each.institution for each in given}:
                _refuse_overlap([each for each in given if each.institution == name], f"{key}: {name}")
        _refuse_overlap(self.partitions, "partitions")
        return self


def _refuse_overlap(intervals: Collection[Interval], what: str) -> None:
    ordered = sorted(intervals, key=lambda interval: interval.first)
    for before, after in pairwise(ordered):
        if before.until is None or after.first < before.until:
            ends = "without end" if before.until is None else f"until {before.until}"
            raise ValueError(f"{what}: from {before.first} {ends} overlaps from {after.first}; join the two")


def check_read(faults: Faults, read: Collection[str], label: str, why: Mapping[str, str] | None = None) -> None:
    """Refuse what is written in `faults` and would change nothing for a method that obeys only the keys `read`.

    `why` has reasons for some of the other keys.
    """
    fields, why = type(faults).model_fields, why or {}
    ignored = [name for name in fields if name not in read and getattr(faults, name) != fields[name].default]
    if ignored:
        obeyed = ", ".join(name for name in fields if name in read) or "none of them"
        reasons = "; ".join(f"{name}: {why[name]}" for name in ignored if name in why)
        raise InputError(
            f"faults: {label} is not affected by {', '.join(ignored)}; it obeys {obeyed}; leave it out"
            + (f" ({reasons})" if reasons else "")
        )
