"""Ray actors as hosts, and the driver's side of them.

The driver makes few, large calls: one for all rounds up to the next evaluation. Hosts talk to each other through
their own sockets (see sockets.py), so that no message waits for the driver or for the object store. While the driver
waits, it looks at the hosts from time to time (see ray_calls.py).
"""

from __future__ import annotations

import dataclasses
import os
import secrets
import sys
from typing import Any, Self

from swarmsim.rows import Weights
from swarmsim.runtime.driver import Round, added, joined
from swarmsim.runtime.host import Evaluation
from swarmsim.runtime.placing import Machine, Needs, place
from swarmsim.runtime.ray_actor import Actor
from swarmsim.runtime.ray_calls import Calls
from swarmsim.runtime.ray_machines import answering, machines_of, pinned
from swarmsim.runtime.ray_session import connect, disconnect
from swarmsim.runtime.world import Job

PATIENCE = 20.0  # seconds in which a host that neither computes nor waits for another is stuck

__all__ = ["RayHosts", "connect", "disconnect"]


class RayHosts:
    """A runtime of `count` actors, alive for a whole study; each method's job is given to the same actors."""

    def __init__(
        self, count: int, address: str | None = None, temp_dir: str | None = None, needs: Needs | None = None,
        patience: float = PATIENCE,
    ) -> None:  # fmt: skip
        address = address or os.environ.get("RAY_ADDRESS")
        connect(address, temp_dir, count)
        import ray

        self._ray, self._count, self._interface = ray, count, None if address else "127.0.0.1"
        # here, a plug-in is imported from where this process found it; on other machines, it must be installed
        self._path = [] if address else [os.path.abspath(folder) for folder in sys.path]
        self._needs, self._patience, self._actors = needs or Needs(), patience, []
        self._create(machines_of(ray))

    def _create(self, machines: list[Machine]) -> None:
        """Fresh actors with a fresh key; they import torch while the driver prepares the job."""
        needs = self._needs.settled(self._count, machines)
        chosen = place(self._count, machines, needs)
        remote = self._ray.remote(concurrency_groups={"watch": 1})(Actor)
        options = {"num_cpus": 0, "num_gpus": needs.gpus, "resources": dict(needs.resources)}
        key = secrets.token_bytes(32)
        self._actors = [
            remote.options(**options, **(pinned(self._ray, machine.id) if len(machines) > 1 else {})).remote(
                me, self._interface, key, self._path
            )
            for me, machine in enumerate(chosen)
        ]
        self._listening = [actor.listen.remote() for actor in self._actors]
        self._calls = Calls(self._ray, self._actors, self._patience)

    def restart(self) -> None:
        """Fresh hosts, on the machines that are left."""
        self.__exit__()
        self._create(answering(self._ray, machines_of(self._ray)))

    def start(self, job: Job) -> None:
        """Give every host its own part of the job: no institution's examples reach another institution's host."""
        self._names, calls = job.names, self._calls
        calls.concern(job.names, job.hosts["institution"])
        if not calls.places:
            calls.started(self._listening)
            addresses = [place.address for place in calls.places]
            calls.wait([actor.meet.remote(addresses) for actor in self._actors])
        calls.doing = "the start of its job"
        modules = sorted({type(value).__module__ for value in (job.algorithm, job.model, job.task)})
        if outside := [name for name in modules if not name.startswith("swarmsim.")]:
            calls.wait([actor.plug_in.remote(outside) for actor in self._actors])
        calls.wait([actor.start.remote(_share(job, me)) for me, actor in enumerate(self._actors)])

    def advance(self, first: int, last: int) -> list[Round]:
        self._calls.doing = f"round {last}" if last == first + 1 else f"rounds {first + 1} to {last}"
        return joined(self._ask("advance", first, last), self._names)

    def predict(self, round_: int, pooled: tuple[int, ...], merged: bool) -> Evaluation:
        self._calls.doing = f"the evaluation after round {round_}"
        outputs, distances, traffic = zip(*self._ask("predict", round_, pooled, merged), strict=True)
        return Evaluation(_union(outputs), _union(distances), added(line for lines in traffic for line in lines))

    def save(self) -> dict[str, Any]:
        return _union(self._ask("save"))

    def load(self, saved: dict[str, Any]) -> None:
        self._ask("load", saved)

    def models(self) -> dict[int, Weights]:
        return _union(self._ask("models"))

    def parts(self) -> dict[str, dict[int, Weights]]:
        found = self._ask("parts")
        return {name: _union([host.get(name, {}) for host in found]) for name in _union(found)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for actor in self._actors:
            self._ray.kill(actor)

    def _ask(self, method: str, *arguments: Any) -> list[Any]:
        return self._calls.wait([actor.ask.remote(method, *arguments) for actor in self._actors])


def _share(job: Job, me: int) -> Job:
    here = {i: shard for i, shard in job.shards.items() if job.hosts["institution"][i] == me}
    return dataclasses.replace(job, shards=here, pool=job.pool if me in job.hosts["server"] else None)


def _union(parts: Any) -> dict:
    return {key: value for part in parts for key, value in part.items()}
