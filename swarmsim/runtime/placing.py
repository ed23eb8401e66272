"""Which machine of a cluster carries which host: a rule of our own, so that what does not fit is refused at once."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from swarmsim.types import InputError

__all__ = ["Machine", "Needs", "place"]


@dataclass(frozen=True)
class Needs:
    """What each host asks for, and how hosts are laid out."""

    placement: Literal["pack", "spread"] = "pack"
    resources: Mapping[str, float] = field(default_factory=dict)
    gpus: float | None = 0  # None: an equal share of those that the cluster has

    def settled(self, count: int, machines: Sequence[Machine]) -> Needs:
        """With a number of GPUs: a share that Ray can hand out, whole or a fraction of one."""
        if self.gpus is not None:
            return self
        there = sum(machine.resources.get("GPU", 0) for machine in machines)
        if not there:
            raise InputError("runtime: device cuda was asked for, but the cluster has no GPU; use device: cpu")
        return Needs(self.placement, self.resources, 1 / math.ceil(count / there))

    @property
    def all(self) -> dict[str, float]:
        return dict(self.resources) | ({"GPU": self.gpus} if self.gpus else {})


class Machine(NamedTuple):
    """A machine of the cluster: Ray's id of it, what to call it, and what it has."""

    id: str
    name: str
    resources: Mapping[str, float]

    def fits(self, needs: Mapping[str, float]) -> float:
        """How many hosts with these needs it can carry."""
        rooms = [math.floor(self.resources.get(name, 0) / need + 1e-6) for name, need in needs.items()]
        return min(rooms, default=math.inf)


def place(count: int, machines: Sequence[Machine], needs: Needs) -> list[Machine]:
    """The machine of each host, in order.

    pack: a machine is filled, a host on each of its CPUs, before the next one gets any; when all are full, hosts share
    CPUs evenly. spread: each host goes where the fewest are. Raises InputError where the needs cannot be met.
    """
    room = [machine.fits(needs.all) for machine in machines]
    if sum(room) < count:
        raise InputError(
            f"runtime: {count} hosts, each with {_said(needs.all)}, do not fit on the cluster, which has "
            + "; ".join(f"{machine.name}: {_said(machine.resources)}" for machine in machines)
            + f"; room is for {sum(room):g}: ask for less, for fewer hosts, or add machines"
        )
    held, chosen = [0] * len(machines), []
    for _ in range(count):
        k = min((k for k in range(len(machines)) if held[k] < room[k]), key=lambda k: _order(k, held, machines, needs))
        held[k] += 1
        chosen.append(machines[k])
    return chosen


def _order(k: int, held: list[int], machines: Sequence[Machine], needs: Needs) -> tuple:
    """The machine with the least of this gets the next host."""
    if needs.placement == "spread":
        return held[k], k
    cpus = max(1, machines[k].resources.get("CPU", 1))
    return (0, 0, k) if held[k] < cpus else (1, held[k] / cpus, k)


def _said(resources: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {amount:g}" for name, amount in sorted(resources.items())) or "nothing"
