"""A method, as a plug-in, in which the second institution misbehaves: it sleeps, raises, exits, eats memory ..."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.runtime.sockets import Sockets
from swarmsim.types import SwarmsimError

__all__ = ["Misbehaving"]

GIGABYTE = 1 << 30


class Misbehaving(Dpsgd):
    """D-PSGD, but for what the second institution does in some rounds."""

    section: ClassVar[str] = "algorithm"

    rounds: dict[int, str] = Field({}, description="{round: a function of this file}")
    marker: str | None = Field(None, description="files that say when it happened; with it, it happens once a round")

    def round(self, state, tick, world):
        how = self.rounds.get(tick.t + 1)
        world.institutions.each(lambda i: self._misbehave(how, tick.t + 1, world) if how and i == 1 else None)
        return super().round(state, tick, world)

    def _misbehave(self, how: str, round_: int, world: Any) -> None:
        file = Path(f"{self.marker}{round_}") if self.marker else None
        if file is None or not file.exists():
            globals()[how](world, lambda: file and file.write_text(repr(time.time())))


def sleeps(world: Any, note: Any) -> None:
    note()
    time.sleep(600)


def dozes(world: Any, note: Any) -> None:
    """Sleeps too, but wakes up now and then."""
    for _ in range(600):
        time.sleep(1)


def computes(world: Any, note: Any) -> None:
    """Takes its time, longer than the patience of tests."""
    until = time.time() + 4
    while time.time() < until:
        pass


def raises(world: Any, note: Any) -> None:
    raise ZeroDivisionError("no patients today")


def refuses(world: Any, note: Any) -> None:
    raise SwarmsimError("institution-1 cannot go on")


def leaves(world: Any, note: Any) -> None:
    note()
    sys.exit("enough")


def hungers(world: Any, note: Any) -> None:
    """Takes more memory than there is, which is little here so that nobody else suffers."""
    note()
    there = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (there + GIGABYTE, resource.RLIM_INFINITY))
    held = []
    while True:
        held.append(bytearray(GIGABYTE // 8))


def exits(world: Any, note: Any) -> None:
    note()
    os._exit(3)


def before(world: Any, note: Any) -> None:
    """Killed before it has sent anything in this round."""
    note()
    os.kill(os.getpid(), signal.SIGKILL)


def during(world: Any, note: Any) -> None:
    """Killed when half of its next message is under way."""

    def half(sockets: Sockets, host: int, tree: Any) -> None:
        sockets._peers[host].sendall((1000).to_bytes(8) + b"[" * 500)
        before(world, note)

    Sockets.send = half


def after(world: Any, note: Any) -> None:
    """Killed when its next message is out, and before it gets one."""
    send = Sockets.send

    def whole(sockets: Sockets, host: int, tree: Any) -> None:
        send(sockets, host, tree)
        before(world, note)

    Sockets.send = whole


def stops(world: Any, note: Any) -> None:
    """Its process stands still, and cannot answer anybody."""
    note()
    os.kill(os.getpid(), signal.SIGSTOP)


def waits(world: Any, note: Any) -> None:
    """Waits for a message more than there are."""
    for host in (0, 0):
        world.net._transport.receive(host)
