"""The arguments of the leader-merge protocol, and what it decides in a round."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from swarmsim.types import Arguments

__all__ = ["MergePlan", "Protocol", "Sync"]

Name = Annotated[str, Field(min_length=1)]


class Sync(Arguments):
    """How long an institution trains before it contributes: so many batches, or so many simulated seconds."""

    every: int | None = Field(None, ge=1, description="batches")
    seconds: float | None = Field(None, gt=0, description="as many batches as fit, at least one")

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.every is None) == (self.seconds is None):
            raise ValueError("give one of every and seconds")
        return self


class Protocol(Arguments):
    """Who leads, whom a merge waits for, and what becomes of those who are late, away or done."""

    leader: Literal["rotation", "random", "first_to_finish", "fixed"] = Field(
        "rotation",
        description="who leads: another one each round, one drawn each round, who has its model first, or a named one",
    )
    leader_name: Name | None = Field(None, description="fixed: who leads; if it is away, the first of the others")
    never_lead: tuple[Name, ...] = Field((), description="institutions that do not lead")
    min_peers: int = Field(1, ge=1, description="quorum: contributions that a merge needs")
    wait: float | None = Field(
        None, ge=0, description="seconds that a merge waits for more once it has its quorum; absent: for all awake"
    )
    late: Literal["drop", "keep", "next"] = Field(
        "drop",
        description="a contribution that arrives behind its merge: drop: thrown away, training begins again from the "
        "last merge; keep: in the next merge with weight age_weight^age; next: in the next merge, in full",
    )
    age_weight: float = Field(0.5, gt=0, le=1, description="late: keep: what a round of age takes off")
    no_quorum: Literal["skip", "wait", "stop"] = Field(
        "skip",
        description="skip: no merge, all train on; wait: contributions stand until enough have come; "
        "stop: the run fails",
    )
    sync: Sync | None = Field(None, description="{every: batches} or {seconds: s}; absent: local_steps or local_epochs")
    ends: dict[Name, Annotated[int, Field(ge=1)]] = Field({}, description="the last round of training, by name")
    at_end: Literal["leave", "keep_snapshot", "stay_active"] = Field(
        "leave",
        description="behind its last round of training an institution leaves the swarm; its last model stays in every "
        "merge; or it takes part in merges without training",
    )

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if (self.leader == "fixed") != (self.leader_name is not None):
            raise ValueError("leader_name belongs to leader: fixed, which needs it; give both or neither")
        if self.leader_name in self.never_lead:
            raise ValueError(f"{self.leader_name} is to lead and is in never_lead")
        if self.late != "drop" and self.wait is None:
            raise ValueError(f"late: {self.late} without wait: a merge that waits for all has nobody late; give wait")
        if self.late != "keep" and self.age_weight != type(self).model_fields["age_weight"].default:
            raise ValueError("age_weight belongs to late: keep; leave it out")
        if self.at_end != "leave" and not self.ends:
            raise ValueError(f"at_end: {self.at_end} without ends: nobody's training ends; give ends")
        return self

    def weight(self, age: int) -> float:
        """What a contribution counts for, relative to a fresh one, beside its samples."""
        return self.age_weight**age if self.late == "keep" else 1.0


@dataclass(frozen=True)
class MergePlan:
    """What the protocol says of one round. Institutions are numbers; every one contributes or is left out.

    trains: who begins a training period in this round; catches_up: those of them who first take the last merge, which
    they missed. contributors: (institution, rounds since its training period began); none: nothing is merged.
    left_out: (institution, reason). receivers: who gets the merge and goes on from it. deposed: who should have led
    and is away. time: when the round ends, in simulated seconds since the start; begins: when each of `trains` begins.
    """

    leader: int | None
    trains: tuple[int, ...]
    catches_up: tuple[int, ...]
    contributors: tuple[tuple[int, int], ...]
    left_out: tuple[tuple[int, str], ...]
    receivers: tuple[int, ...]
    time: float
    deposed: int | None = None
    begins: tuple[float, ...] = ()

    @property
    def late(self) -> frozenset[int]:
        """For whom the merge did not wait, and who trains on while the round is over for the others."""
        return frozenset(i for i, why in self.left_out if why in ("late", "thrown away") and self.contributors)
