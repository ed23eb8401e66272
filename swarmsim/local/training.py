"""The arguments that every method which trains shares."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from swarmsim.lazy import torch
from swarmsim.local.optimizer import AdamW, Sgd
from swarmsim.types import Arguments

__all__ = ["LearningRate", "Training"]


class LearningRate(Arguments):
    """How the learning rate changes from round to round; torch's schedulers compute it."""

    use: Literal["constant", "step", "exponential", "cosine"] = Field("constant", description="which of torch's")
    every: int = Field(10, ge=1, description="step: rounds between two drops")
    factor: float = Field(0.1, gt=0, le=1, description="step, exponential: multiplied at each drop or round")
    floor: float = Field(0.0, ge=0, description="cosine: the learning rate of the last round")

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        read = {"constant": set(), "step": {"every", "factor"}, "exponential": {"factor"}, "cosine": {"floor"}}[
            self.use
        ]
        ignored = sorted(name for name in self.model_fields_set - read - {"use"} if self._differs(name))
        if ignored:
            raise ValueError(f"lr_schedule {self.use} does not read {', '.join(ignored)}: leave it out")
        return self

    def _differs(self, name: str) -> bool:
        return getattr(self, name) != type(self).model_fields[name].default

    def rates(self, lr: float, rounds: int) -> list[float]:
        """The learning rate of each round."""
        if self.use == "constant":  # torch's optimiser objects import its compiler: 1.5 seconds in every host
            return [lr] * rounds
        schedulers, optimizer = torch.optim.lr_scheduler, torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
        scheduler = {
            "step": lambda: schedulers.StepLR(optimizer, self.every, self.factor),
            "exponential": lambda: schedulers.ExponentialLR(optimizer, self.factor),
            "cosine": lambda: schedulers.CosineAnnealingLR(optimizer, max(1, rounds - 1), self.floor),
        }[self.use]()
        rates = []
        for _ in range(rounds):
            rates.append(float(optimizer.param_groups[0]["lr"]))
            optimizer.step()
            scheduler.step()
        return rates


class Training(Arguments):
    """What one institution does between two exchanges: so many steps of an optimiser over its own examples."""

    under: ClassVar[Mapping[str, str]] = {}  # what of `faults` changes this method, and how, in words
    refuses: ClassVar[Mapping[str, str]] = {}  # why the rest does not
    obeys: ClassVar[tuple[str, ...]] = ()  # the keys of `under`
    resends: ClassVar[bool] = False  # whether a lost message is sent until it arrives
    packs: ClassVar[bool] = False  # whether the institutions' steps can be computed at once

    lr: float = Field(gt=0, description="learning rate")
    batch: int | None = Field(None, ge=1, description="examples a step; absent: the whole shard")
    local_steps: int | None = Field(None, ge=1, description="steps a round; not with local_epochs")
    local_epochs: int | None = Field(None, ge=1, description="epochs a round; default 1 if local_steps is absent")
    optimizer: Literal["sgd", "adamw"] = Field("sgd", description="torch's SGD or AdamW")
    momentum: float = Field(0.0, ge=0, lt=1, description="heavy ball, sgd only")
    weight_decay: float = Field(0.0, ge=0, description="coupled in sgd, decoupled in adamw")
    clip: float | None = Field(None, gt=0, description="largest norm of a gradient; longer ones are scaled down to it")
    lr_schedule: LearningRate = Field(LearningRate(), description="{use: constant | step | exponential | cosine, ...}")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.local_steps is not None and self.local_epochs is not None:
            raise ValueError("local_steps and local_epochs exclude each other: give one of them")
        if self.optimizer == "adamw" and self.momentum:
            raise ValueError("momentum belongs to sgd: adamw has its own; leave one of them out")
        return self

    @classmethod
    def __pydantic_init_subclass__(cls, **settings: Any) -> None:
        super().__pydantic_init_subclass__(**settings)
        cls.obeys = tuple(cls.under)

    def named_servers(self, n: int) -> dict[str, tuple[int, ...]]:
        """The servers by the names that `faults` may give them, each with its members of the server group."""
        names = self.servers(n) if hasattr(self, "servers") else ()
        return {name: (k,) for k, name in enumerate(names)}

    def count(self, size: int) -> int:
        """How many batches an institution with `size` examples takes in a round."""
        if size == 0 or self.local_steps is not None:
            return self.local_steps if size else 0
        return (self.local_epochs or 1) * (1 if self.batch is None else -(-size // self.batch))

    def phase(self, t: int, rounds: int) -> Hashable:
        """Rounds of equal phase have the same messages and the same work, where their ticks say the same."""
        return 0

    def rule(self) -> Sgd | AdamW:
        """The optimiser as a pure function of rows."""
        if self.optimizer == "adamw":
            return AdamW(self.weight_decay)
        return Sgd(self.momentum, self.weight_decay)
