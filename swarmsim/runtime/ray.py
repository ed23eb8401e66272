"""Ray actors as hosts. Nothing else in swarmsim imports ray.

The driver makes few, large calls: one for all rounds up to the next evaluation. Hosts talk to each other through
their own sockets (see sockets.py), so that no message waits for the driver or for the object store.
"""

from __future__ import annotations

import atexit
import dataclasses
import gc
import importlib
import os
import secrets
import shutil
import sys
import tempfile
from typing import Any, Self

from swarmsim.lazy import torch
from swarmsim.rows import Weights
from swarmsim.runtime.driver import HostLost, Round, added, joined
from swarmsim.runtime.host import Evaluation, Host
from swarmsim.runtime.sockets import PeerLost, Sockets
from swarmsim.runtime.world import Job
from swarmsim.types import InputError, SwarmsimError

PATIENCE = 5.0  # seconds in which the cause of a lost connection is expected to show

__all__ = ["RayHosts", "connect", "disconnect"]


class _Actor:
    """What runs in each actor: a host and its sockets."""

    def __init__(self, me: int, interface: str | None, key: bytes, path: list[str]) -> None:
        import ray

        sys.path[:] = [*path, *(folder for folder in sys.path if folder not in path)]
        self.me, self.key = me, key
        torch.set_num_threads(1)  # and with it the import of torch, before the first job comes
        self.interface = interface or ray.util.get_node_ip_address()
        self.sockets: Sockets | None = None

    def listen(self) -> tuple[str, int]:
        if self.sockets:
            self.sockets.close()
        self.sockets = Sockets(self.me, self.interface, self.key)
        return self.sockets.address

    def meet(self, addresses: list[tuple[str, int]]) -> None:
        self.sockets.connect(addresses)

    def plug_in(self, modules: list[str]) -> None:
        """Import what comes from outside swarmsim, before a job arrives that is made of it."""
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                raise InputError(
                    f"--plugin {name}: host {self.me} on {self.interface} could not import it ({type(error).__name__}: "
                    f"{error}); with runtime.address the module must be installed on every machine of the cluster"
                ) from None

    def start(self, job: Job) -> None:
        self.sockets.device = job.device
        self.host = Host(job, self.me, self.sockets)
        gc.collect()
        gc.freeze()  # what a host holds from here on is not garbage; scanning it took a third of a packed round

    def ask(self, method: str, *arguments: Any) -> Any:
        return getattr(self.host, method)(*arguments)


class RayHosts:
    """A runtime of `count` actors, alive for a whole study; each method's job is given to the same actors."""

    def __init__(self, count: int, address: str | None = None, temp_dir: str | None = None, gpu: bool = False) -> None:
        address = address or os.environ.get("RAY_ADDRESS")
        connect(address, temp_dir, count)
        import ray

        self._ray, self._count, self._interface = ray, count, None if address else "127.0.0.1"
        # here, a plug-in is imported from where this process found it; on other machines, it must be installed
        self._path = [] if address else [os.path.abspath(folder) for folder in sys.path]
        self._gpus = 1 / count if gpu else 0
        if self._gpus > ray.cluster_resources().get("GPU", 0):
            raise InputError("runtime ray: device cuda was asked for, but the cluster has no GPU; use device: cpu")
        self._create()

    def _create(self) -> None:
        """Fresh actors with a fresh key; they import torch while the driver prepares the job."""
        actor = self._ray.remote(_Actor).options(num_cpus=0, num_gpus=self._gpus)
        key = secrets.token_bytes(32)
        self._actors = [actor.remote(me, self._interface, key, self._path) for me in range(self._count)]
        self._addresses = [handle.listen.remote() for handle in self._actors]
        self._met, self._names, self._places = False, (), ()

    def restart(self) -> None:
        self.__exit__()
        self._create()

    def start(self, job: Job) -> None:
        """Give every host its own part of the job: no institution's examples reach another institution's host."""
        if not self._met:
            addresses = self._wait(self._addresses)
            self._wait([actor.meet.remote(addresses) for actor in self._actors])
            self._met = True
        modules = sorted({type(value).__module__ for value in (job.algorithm, job.model, job.task)})
        if outside := [name for name in modules if not name.startswith("swarmsim.")]:
            self._wait([actor.plug_in.remote(outside) for actor in self._actors])
        self._names, self._places = job.names, job.hosts["institution"]
        self._wait([actor.start.remote(_share(job, me)) for me, actor in enumerate(self._actors)])

    def advance(self, first: int, last: int) -> list[Round]:
        return joined(self._ask("advance", first, last), self._names)

    def predict(self, round_: int, pooled: tuple[int, ...], merged: bool) -> Evaluation:
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
        return self._wait([actor.ask.remote(method, *arguments) for actor in self._actors])

    def _wait(self, answers: list) -> list[Any]:
        """All answers; or the first failure, with the loss of a peer only where nothing explains it."""
        exceptions, pending, lost = self._ray.exceptions, list(answers), None
        while pending:
            done, pending = self._ray.wait(pending, num_returns=1, timeout=PATIENCE if lost else None)
            if not done:
                raise lost
            try:
                self._ray.get(done[0])
            except exceptions.RayTaskError as error:
                if not isinstance(error.cause, SwarmsimError):
                    raise
                if not isinstance(error.cause, PeerLost):
                    raise error.cause from None
                lost = lost or error.cause
            except exceptions.RayActorError as error:
                raise self._host_lost(answers.index(done[0])) from error
        if lost:
            raise lost
        return self._ray.get(answers)

    def _host_lost(self, host: int) -> HostLost:
        held = [name for name, place in zip(self._names, self._places, strict=True) if place == host]
        return HostLost(
            f"host {host} ({', '.join(held) or 'the server'}) died: its process was killed or ran out of memory"
        )


def connect(address: str | None = None, temp_dir: str | None = None, workers: int = 1) -> None:
    """Join the cluster at `address`, or start one on this machine, with a fresh token.

    Ray starts a worker process for each CPU it is told of, before anybody asks: as many as there will be actors.
    """
    if not address:
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    os.environ |= {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_IGNORE_UNHANDLED_ERRORS": "1",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    }
    import ray

    if ray.is_initialized():
        return
    quiet = {"logging_level": "error", "log_to_driver": False, "configure_logging": True}
    if address:
        ray.init(address=address, **quiet)
        return
    folder = tempfile.mkdtemp(prefix="swarmsim-", dir=temp_dir)
    atexit.register(disconnect, folder)
    ray.init(
        address="local",
        num_cpus=max(workers, os.cpu_count() or 1),
        include_dashboard=False,
        _node_ip_address="127.0.0.1",  # asked for; Ray 2.60 takes the machine's own address where it has one
        _temp_dir=folder,
        **quiet,
    )


def disconnect(folder: str | None = None) -> None:
    """Leave the cluster; one that was started here ends with it, and its session folder goes."""
    import ray

    ray.shutdown()
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


def _share(job: Job, me: int) -> Job:
    here = {i: shard for i, shard in job.shards.items() if job.hosts["institution"][i] == me}
    return dataclasses.replace(job, shards=here, pool=job.pool if me in job.hosts["server"] else None)


def _union(parts: Any) -> dict:
    return {key: value for part in parts for key, value in part.items()}
