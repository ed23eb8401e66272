"""Several hosts in one process: threads with queues between them, late at will, every message counted.

Only for models without dropout: torch's default generator belongs to the whole process.
"""

from __future__ import annotations

import dataclasses
import queue
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from swarmsim.runtime.driver import joined
from swarmsim.runtime.host import Host
from swarmsim.trees import tree_map

__all__ = ["Mail", "ThreadHosts", "together"]


class Mail:
    """Queues between `count` hosts; `late` is the longest a message is held back before its receiver takes it."""

    def __init__(self, count: int, late: float = 0.0, seed: int = 0) -> None:
        self._queues = {(a, b): queue.Queue() for a in range(count) for b in range(count)}
        self._late, self._random, self.sent, self.received = late, random.Random(seed), Counter(), Counter()
        self._lock = threading.Lock()

    def at(self, me: int) -> _Box:
        return _Box(self, me)

    def count(self, table: Counter, pair: tuple[int, int]) -> float:
        with self._lock:
            table[pair] += 1
            return self._random.random() * self._late


class _Box:
    """The transport of one host."""

    def __init__(self, mail: Mail, me: int) -> None:
        self._mail, self._me = mail, me

    def send(self, host: int, tree: Any) -> None:
        self._mail.count(self._mail.sent, (self._me, host))
        self._mail._queues[self._me, host].put(tree_map(lambda tensor: tensor.detach().clone(), tree))

    def receive(self, host: int) -> Any:
        tree = self._mail._queues[host, self._me].get(timeout=10)
        time.sleep(self._mail.count(self._mail.received, (host, self._me)))
        return tree


def together(programs: list) -> list:
    """Run functions at once, a thread each; their results in order."""
    with ThreadPoolExecutor(len(programs)) as pool:
        return [waiting.result(timeout=60) for waiting in [pool.submit(program) for program in programs]]


class ThreadHosts:
    """A runtime of `count` hosts in threads."""

    def __init__(self, job: Any, count: int, late: float = 0.0, seed: int = 0) -> None:
        self.mail, self._names = Mail(count, late, seed), job.names
        shares = [dataclasses.replace(job, shards=_here(job, me)) for me in range(count)]
        self.hosts = [Host(share, me, self.mail.at(me)) for me, share in enumerate(shares)]

    def advance(self, first: int, last: int) -> list:
        outcomes = together([lambda host=host: host.advance(first, last) for host in self.hosts])
        return joined(outcomes, self._names)

    def models(self) -> dict:
        found = together([host.models for host in self.hosts])
        return {i: weights for held in found for i, weights in held.items()}


def _here(job: Any, me: int) -> dict:
    return {i: shard for i, shard in job.shards.items() if job.hosts["institution"][i] == me}
