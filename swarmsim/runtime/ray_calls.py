"""Waiting for hosts: every failure names a host, what it did and why, and no host can stand still for ever."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from swarmsim.runtime.driver import HostLost
from swarmsim.runtime.ray_actor import Broken, Place, cpu_seconds
from swarmsim.runtime.ray_machines import here, pinned
from swarmsim.runtime.sockets import PeerLost
from swarmsim.runtime.watch import Silent, Stuck, Watch
from swarmsim.types import SwarmsimError

__all__ = ["Calls", "InstitutionFailed"]

CAUSE = 5.0  # seconds in which the cause of a lost connection is expected to show
STARTING = 180.0  # seconds in which at least one more actor starts


class InstitutionFailed(Exception):
    """What an institution computes raised something; the cause has the traceback of its process."""


class _ThereError(Exception):
    """A traceback from another process."""

    def __str__(self) -> str:
        return "\n" + self.args[0]


class Calls:
    """What the hosts are asked for now, `doing` in words; `places` are theirs, in order, once they have started."""

    def __init__(self, ray: Any, actors: Sequence[Any], patience: float) -> None:
        self._ray, self._actors, self._patience = ray, actors, patience
        self.places: list[Place] = []
        self.doing, self._names, self._hosts = "its start", (), ()

    def concern(self, names: tuple[str, ...], hosts: tuple[int, ...]) -> None:
        """From now on hosts carry these institutions, each on the host given."""
        self._names, self._hosts = names, hosts

    def started(self, listening: list) -> None:
        """Wait until all actors say where they are; a cluster may never have room for them."""
        waiting = list(listening)
        while waiting:
            done, waiting = self._ray.wait(waiting, num_returns=1, timeout=STARTING)
            if not done:
                missing = [host for host, answer in enumerate(listening) if answer in waiting]
                raise SwarmsimError(
                    f"no host started within {STARTING:g} s; {len(missing)} are missing, the first is "
                    f"{self._called(missing[0])}: is what they need in use by others (`ray status` says it)?"
                )
        self.places = self.wait(listening)

    def wait(self, answers: list) -> list[Any]:
        """All answers; or the first failure, with the loss of a peer only where nothing explains it."""
        pending, lost = {answer: host for host, answer in enumerate(answers)}, None
        watch, asked = Watch(self._patience), {}
        while pending:
            done, _ = self._ray.wait(list(pending), num_returns=1, timeout=CAUSE if lost else self._patience / 8)
            for answer in done:
                lost = self._failure(answer, pending.pop(answer)) or lost
            if lost and not done:
                raise self._host_lost(lost.lost, str(lost))
            if not (lost or done):
                self._look(watch, list(pending.values()), asked)
        if lost:
            raise self._host_lost(lost.lost, str(lost))
        return self._ray.get(answers)

    def _failure(self, answer: Any, host: int) -> PeerLost | None:
        """The failure that an answer is, raised; the loss of a peer, which something may explain, is returned."""
        exceptions = self._ray.exceptions
        try:
            self._ray.get(answer)
        except exceptions.RayTaskError as error:
            cause = error.cause
            if isinstance(cause, PeerLost):
                return cause
            if isinstance(cause, Broken):
                raise self._failed(cause, host) from _ThereError(cause.text)
            if isinstance(cause, SwarmsimError):
                raise cause from None
            raise
        except exceptions.RayActorError as error:
            raise self._host_lost(host, _why(error)) from error
        return None

    def _failed(self, cause: Broken, host: int) -> InstitutionFailed:
        who = f"{cause.who} (host {host})" if cause.who else self._called(host)
        when = f"round {cause.round}" if cause.round else self.doing
        return InstitutionFailed(f"{who} failed in {when}: {cause.what}")

    def _host_lost(self, host: int, why: str) -> HostLost:
        return HostLost(f"{self._called(host)} died in {self.doing}: {why}")

    def _called(self, host: int) -> str:
        held = [name for name, at in zip(self._names, self._hosts, strict=True) if at == host]
        more = f" and {len(held) - 3} more" if len(held) > 3 else ""
        return f"host {host} ({', '.join(held[:3]) + more or 'the server'})"

    # ---------------------------------------------------------------------------- what a host does meanwhile

    def _look(self, watch: Watch, hosts: list[int], asked: dict[int, Any]) -> None:
        """Ask hosts that have not answered yet how they are; one that is stuck ends the run."""
        if not self.places:
            return
        for host in hosts:
            if host not in asked:
                asked[host] = self._actors[host].pulse.options(concurrency_group="watch").remote()
        done, _ = self._ray.wait([asked[host] for host in hosts], num_returns=len(hosts), timeout=1)
        pulses = {host: self._answer(asked.pop(host)) for host in hosts if asked[host] in done}
        silent = [host for host in hosts if pulses.get(host) is None]  # to whom the question stays open, or who died
        stuck = watch.judge(time.monotonic(), pulses | self._seen(silent))
        if stuck:
            self._end(stuck)

    def _seen(self, hosts: list[int]) -> dict[int, Silent]:
        """Hosts that do not answer, from outside: their machines are asked, all at once."""
        place_of, ray = {host: self.places[host] for host in hosts}, self._ray
        look = ray.remote(cpu_seconds)
        asked = {
            host: look.options(num_cpus=0, max_retries=0, **pinned(ray, place.machine)).remote(place.pid)
            for host, place in place_of.items()
            if place.machine != here(ray)
        }
        done, _ = ray.wait([*asked.values()], num_returns=len(asked), timeout=CAUSE) if asked else ([], [])
        found = {host: self._answer(answer) for host, answer in asked.items() if answer in done}
        local = {host: _cpu_seconds(place.pid) for host, place in place_of.items() if place.machine == here(ray)}
        return {host: Silent((found | local).get(host)) for host in hosts}

    def _answer(self, answer: Any) -> Any:
        """What came back; None for a failure, which whatever else the host was asked for explains."""
        try:
            return self._ray.get(answer)
        except self._ray.exceptions.RayError:
            return None

    def _end(self, stuck: Stuck) -> NoReturn:
        waited = f"for {stuck.seconds:.0f} s"
        host, pulse = next(iter(stuck.hosts.items()))
        if isinstance(pulse, Silent):
            raise self._host_lost(host, f"{waited} it has neither answered nor computed")
        when = f"round {pulse.round}" if pulse.round else self.doing
        if pulse.waits is None:
            raise SwarmsimError(
                f"{pulse.who or self._called(host)} is stuck in {when}: {waited} it has computed nothing and waited "
                f"for no other host; it stands at {pulse.where}. If it waits for something slow, raise runtime.patience"
            )
        waits = ", ".join(f"{self._called(host)} for host {pulse.waits}" for host, pulse in stuck.hosts.items())
        raise SwarmsimError(f"all hosts wait for each other in {when}, {waited}: {waits}; at {pulse.where}")


def _cpu_seconds(pid: int) -> float | None:
    """CPU seconds of a process of this machine, None if it is gone."""
    import psutil

    with suppress(psutil.Error):
        return cpu_seconds(pid)


def _why(error: Exception) -> str:
    if "running low on memory" in str(error):
        return "Ray ended it because its machine ran out of memory"
    return "its process was killed, ended itself or ran out of memory"
