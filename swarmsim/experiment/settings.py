"""The sections of an experiment file that belong to no folder."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from swarmsim.clock.lines import Network
from swarmsim.clock.pace import Pace
from swarmsim.schedule.faults import Faults
from swarmsim.types import Arguments

__all__ = ["SETTINGS", "Checkpoint", "Evaluate", "General", "Label", "RuntimeSettings", "Seeds"]

Seed = Annotated[int, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class Seeds(Arguments):
    """A seed for the data and its partition, and one for everything else."""

    data: Seed = Field(0, description="of the data and its partition")
    run: Seed = Field(0, description="of everything else: initial weights, batches, topology")


class General(Arguments):
    """What an experiment file says of the whole experiment."""

    name: Name = Field(description="of the experiment and its run folder")
    seed: Seed | Seeds = Field(0, description="one for all, or {data: ..., run: ...}")
    rounds: int = Field(ge=1, le=10_000_000, description="rounds of training")
    institutions: int | None = Field(None, ge=1, le=100_000, description="how many; absent: as the data says")

    @property
    def seeds(self) -> Seeds:
        return self.seed if isinstance(self.seed, Seeds) else Seeds(data=self.seed, run=self.seed)


class Label(Arguments):
    """What a method is called in an experiment with several."""

    label: Name | None = Field(None, description="of the method and its folder; absent: its `use`")


class Evaluate(Arguments):
    """When the models are tested."""

    every: int = Field(1, ge=1, description="rounds between two evaluations; the last round is always evaluated")
    recalibrate: bool = Field(
        False,
        description="compute BatchNorm's statistics again from an institution's own examples before it tries models",
    )
    turns: bool = Field(
        False, description="in evaluated rounds, try models after every turn too (methods that take turns): forgetting"
    )
    targets: dict[Annotated[str, Field(min_length=1)], float] = Field(
        {}, description="{METRIC: value} of the test score: when is it reached, in rounds, seconds, bytes and FLOPs?"
    )


class Checkpoint(Arguments):
    """When everything that `swarmsim resume` needs is saved."""

    every: int = Field(ge=1, description="rounds between two checkpoints")
    keep: int = Field(2, ge=1, description="how many of the newest stay")


class RuntimeSettings(Arguments):
    """What computes the institutions; only the wall time depends on it, and with dtype the rounding."""

    use: Literal["inline", "packed", "ray"] = Field(
        "ray", description="one after another, all at once by vmap, or on Ray actors"
    )
    hosts: int | None = Field(None, ge=1, description="ray: how many actors; not with institutions_per_host")
    institutions_per_host: int | None = Field(None, ge=1, description="ray: how many institutions an actor carries")
    inside: Literal["inline", "packed"] = Field("inline", description="ray: how an actor computes its institutions")
    dtype: Literal["float32", "float64"] = Field("float32", description="of the weights and all arithmetic")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="auto: a GPU if there is one")
    address: str | None = Field(None, min_length=1, description="ray: of a running cluster; absent: one starts here")
    temp_dir: str | None = Field(None, min_length=1, description="ray: folder for its session files")
    placement: Literal["pack", "spread"] = Field(
        "pack", description="ray: fill a machine of a cluster before the next gets a host, or spread hosts evenly"
    )
    resources: dict[Annotated[str, Field(min_length=1)], Annotated[float, Field(gt=0)]] = Field(
        {}, description="ray: custom resources of the cluster that each host takes, {NAME: amount}"
    )
    gpus_per_host: float | None = Field(
        None, ge=0, description="ray: whole GPUs or a share of one for each host; absent: equal shares, if device cuda"
    )
    patience: float = Field(
        20.0, ge=1, description="ray: seconds after which a host that neither computes nor waits for another is ended"
    )

    @model_validator(mode="after")
    def _nothing_ignored(self) -> Self:
        if self.hosts and self.institutions_per_host:
            raise ValueError("hosts and institutions_per_host exclude each other: give one of them")
        only_ray = ("hosts", "institutions_per_host", "inside", "address", "temp_dir", "placement", "resources",
                    "gpus_per_host", "patience")  # fmt: skip
        ignored = [name for name in only_ray if getattr(self, name) != type(self).model_fields[name].default]
        if self.use != "ray" and ignored:
            raise ValueError(f"{', '.join(ignored)}: only for `use: ray`, this is `use: {self.use}`; leave it out")
        gpus = self.gpus_per_host or 0
        if gpus > 1 and gpus % 1:
            raise ValueError(f"gpus_per_host {gpus:g}: Ray shares out one GPU, or whole ones: up to 1, or 2, 3, ...")
        if gpus and self.device == "cpu":
            raise ValueError(f"gpus_per_host {gpus:g} with `device: cpu`: nothing would use them; leave one out")
        return self


SETTINGS: dict[str, type[Arguments]] = {
    "faults": Faults, "pace": Pace, "network": Network, "evaluate": Evaluate, "checkpoint": Checkpoint,
    "runtime": RuntimeSettings,
}  # fmt: skip
