"""One experiment, or several methods on the same data: the frozen values that a file is read into."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from swarmsim.clock.lines import Network
from swarmsim.clock.pace import Pace
from swarmsim.experiment.settings import Checkpoint, Evaluate, RuntimeSettings
from swarmsim.schedule.faults import Faults
from swarmsim.types import Arguments

__all__ = ["Experiment", "Study"]


@dataclass(frozen=True)
class Experiment:
    """One method on one data set: every section is an instance of the class that its `use` names.

    `resolved` is the same as a complete document with all defaults; `origins` says for each of its values where it
    came from: `file:line`, an option, or `default`.
    """

    name: str
    label: str
    seed_data: int
    seed_run: int
    rounds: int
    institutions: int | None
    data: Arguments
    partition: Arguments | None
    model: Arguments
    task: Arguments
    topology: Arguments | None
    merge: Arguments | None
    algorithm: Arguments
    faults: Faults | None
    pace: Pace | None
    network: Network | None
    evaluate: Evaluate
    checkpoint: Checkpoint | None
    runtime: RuntimeSettings
    resolved: Mapping[str, Any] = field(repr=False)
    origins: Mapping[str, str] = field(repr=False, compare=False)

    @property
    def plugins(self) -> list[str]:
        """The modules outside swarmsim whose components it uses."""
        modules = {type(value).__module__ for value in vars(self).values() if isinstance(value, Arguments)}
        return sorted(name for name in modules if not name.startswith("swarmsim."))


@dataclass(frozen=True)
class Study:
    """What a file holds: one experiment (`single`), or one for each of its `methods`, on the same data and seed."""

    name: str
    methods: tuple[Experiment, ...]
    single: bool
    resolved: Mapping[str, Any] = field(repr=False)
    origins: Mapping[str, str] = field(repr=False, compare=False)

    @property
    def plugins(self) -> list[str]:
        """The modules outside swarmsim whose components its methods use."""
        return sorted({name for method in self.methods for name in method.plugins})
