"""What runs in each Ray actor: a host, its sockets, and what it says of itself while its program runs."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any, NamedTuple

from swarmsim.lazy import torch
from swarmsim.runtime.host import Host
from swarmsim.runtime.sockets import Sockets
from swarmsim.runtime.standing import standing
from swarmsim.runtime.watch import Pulse
from swarmsim.runtime.world import Job
from swarmsim.types import InputError, SwarmsimError

__all__ = ["Actor", "Broken", "Place", "cpu_seconds"]


class Place(NamedTuple):
    """Where an actor is: the address of its sockets, its process, and Ray's id of its machine."""

    address: tuple[str, int]
    pid: int
    machine: str


class Broken(SwarmsimError):
    """An exception that nobody raised on purpose, as text: its own class may exist in the host's process alone."""

    def __init__(self, who: str | None, round_: int | None, what: str, text: str) -> None:
        super().__init__(who, round_, what, text)
        self.who, self.round, self.what, self.text = who, round_, what, text


class Actor:
    """A host in a process of its own. Everything but `pulse` is called by one thread, one call after another."""

    def __init__(self, me: int, interface: str | None, key: bytes, path: list[str]) -> None:
        sys.path[:] = [*path, *(folder for folder in sys.path if folder not in path)]
        self.me, self.key, self.interface = me, key, interface
        torch.set_num_threads(1)  # and with it the import of torch, before the first job comes
        self.sockets: Sockets | None = None
        self.host: Host | None = None
        self.thread: int | None = None

    def listen(self) -> Place:
        import ray

        if self.sockets:
            self.sockets.close()
        self.interface = self.interface or ray.util.get_node_ip_address()
        self.sockets = Sockets(self.me, self.interface, self.key)
        return Place(self.sockets.address, os.getpid(), ray.get_runtime_context().get_node_id())

    def meet(self, addresses: list[tuple[str, int]]) -> None:
        self._done(self.sockets.connect, addresses)

    def plug_in(self, modules: list[str]) -> None:
        """Import what comes from outside swarmsim, before a job arrives that is made of it."""
        self._done(self._plug_in, modules)

    def start(self, job: Job) -> None:
        self.sockets.device = job.device
        self._done(self._build, job)
        gc.collect()
        gc.freeze()  # what a host holds from here on is not garbage; scanning it took a third of a packed round

    def ask(self, method: str, *arguments: Any) -> Any:
        return self._done(getattr(self.host, method), *arguments)

    def pulse(self) -> Pulse:
        """How the call that runs now is doing; answered by another thread."""
        frame = sys._current_frames().get(self.thread)
        who, where = standing(reversed(list(traceback.walk_stack(frame)))) if frame else (None, "its start")
        process = cpu_seconds()
        return Pulse(_thread_seconds(self.thread, process), process, self.sockets.moved, self.sockets.waits,
                     self._round(), who, where)  # fmt: skip

    def _done(self, call: Callable, *arguments: Any) -> Any:
        """call(*arguments), watched; an exception that is not one of swarmsim's own becomes a Broken."""
        self.thread = threading.get_ident()
        try:
            return call(*arguments)
        except SwarmsimError:
            raise
        except (Exception, SystemExit) as error:
            who, where = standing(traceback.walk_tb(error.__traceback__))
            text = "".join(traceback.format_exception(error))
            raise Broken(who, self._round(), f"{_said(error)} (at {where})", text) from None

    def _build(self, job: Job) -> None:
        self.host = None
        self.host = Host(job, self.me, self.sockets)

    def _plug_in(self, modules: list[str]) -> None:
        for name in modules:
            try:
                importlib.import_module(name)
            except Exception as error:
                raise InputError(
                    f"--plugin {name}: host {self.me} on {self.interface} could not import it ({type(error).__name__}: "
                    f"{error}); with runtime.address the module must be installed on every machine of the cluster"
                ) from None

    def _round(self) -> int | None:
        return (self.host.ledger.round or None) if self.host else None


def cpu_seconds(pid: int | None = None) -> float:
    """CPU time of a process of this machine, and of those that it started."""
    import psutil  # comes with Ray, and can be imported once Ray is

    process, seconds = psutil.Process(pid), 0.0
    for each in (process, *process.children(recursive=True)):
        try:
            seconds += sum(each.cpu_times()[:2])
        except psutil.NoSuchProcess:
            continue  # it ended meanwhile
    return seconds


def _thread_seconds(thread: int | None, otherwise: float) -> float:
    """CPU time of one thread of this process, where the system tells."""
    if thread is None or not hasattr(time, "pthread_getcpuclockid"):
        return otherwise
    return time.clock_gettime(time.pthread_getcpuclockid(thread))


def _said(error: BaseException) -> str:
    """An exception in a few words; one of memory says so, whoever raises it."""
    text = f"{type(error).__name__}: {error}".rstrip(": ").splitlines()[0]
    hungry = isinstance(error, MemoryError) or "not enough memory" in text or "out of memory" in text
    return f"out of memory: {text}" if hungry else text
