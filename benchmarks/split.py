"""What split learning costs: every configuration against a bare PyTorch loop that takes the same steps, unsplit.

    python benchmarks/split.py [cnn] [tiny] [a method, ...]

An epoch in one process, and with two institutions and the servers (at most two hosts, one a core) in separate actors,
timed in turn with the bare loop: one process, one thread, `torch.optim.SGD`, the whole model, as many steps over
batches of the same size. See README.md in this folder.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from common import CLASSES, Bare, columns, epochs, job, medians, reference, shards

from swarmsim.algorithms.split.auxiliary import Auxiliary
from swarmsim.algorithms.split.horizontal import Horizontal
from swarmsim.algorithms.split.multi_hop import MultiHop
from swarmsim.algorithms.split.multi_task import MultiTask
from swarmsim.algorithms.split.parallel import Parallel
from swarmsim.algorithms.split.private import Private
from swarmsim.algorithms.split.regional import Regional
from swarmsim.algorithms.split.sglr import Sglr
from swarmsim.algorithms.split.splitavg import Splitavg
from swarmsim.algorithms.split.splitfed_v1 import SplitfedV1
from swarmsim.algorithms.split.splitfed_v2 import SplitfedV2
from swarmsim.algorithms.split.splitfed_v3 import SplitfedV3
from swarmsim.algorithms.split.u_shaped import UShaped
from swarmsim.algorithms.split.vanilla import Vanilla
from swarmsim.algorithms.split.vertical import Vertical
from swarmsim.models.cnn import Cnn
from swarmsim.models.mlp import Mlp
from swarmsim.models.multimodal import Multimodal
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.ray import RayHosts, disconnect
from swarmsim.runtime.world import Job
from swarmsim.types import Part

LR, BATCH, INSTITUTIONS, CORES = 0.01, 32, 2, 2
SEVERAL = {"in_flight": 4}
COPIES = {"copies": "per_institution"}
METHODS: dict[str, tuple[type, list[dict[str, Any]]]] = {
    "vanilla": (Vanilla, [{}, SEVERAL, {"institution_weights": "handed_over_via_server"}]),
    "u_shaped": (UShaped, [{}, SEVERAL]),
    "splitfed_v1": (SplitfedV1, [{}, SEVERAL]),
    "splitfed_v2": (SplitfedV2, [{}, SEVERAL]),
    "splitfed_v3": (SplitfedV3, [{}, SEVERAL]),
    "parallel": (Parallel, [{}, {"institution_weights": "averaged_each_epoch", **SEVERAL}]),
    "private": (Private, [{}, SEVERAL, {"serving": "interleaved"}, {"serving": "interleaved", **SEVERAL}]),
    "splitavg": (Splitavg, [{}, SEVERAL]),
    "sglr": (Sglr, [{}, SEVERAL]),
    "multi_hop": (MultiHop, [{}, SEVERAL]),
    "multi_task": (MultiTask, [{}, SEVERAL]),
    "regional": (Regional, [{"regions": 2}, {"regions": 2, **SEVERAL}]),
    "auxiliary": (Auxiliary, [{}, COPIES]),
    "vertical": (Vertical, [{}, SEVERAL]),
}


@dataclass(frozen=True)
class Workload:
    """A model and `size` examples of `shape` an institution, which holds the first `cut` stages: most of the work.

    `joint` is the model of vertical data, whose blocks have the same shape.
    """

    model: Any
    joint: Multimodal
    shape: tuple[int, ...]
    size: int
    cut: int

    def method(self, kind: type, arguments: dict[str, Any]) -> Any:
        """The method, its chain cut as this workload is."""
        hop = {"owner": "institution", "until": self.cut}, {"owner": "server", "until": self.cut + 1}
        where: dict[str, Any] = {"cut": self.cut}
        if kind is MultiHop:
            where = {"stages": (*hop, {"owner": "server-b"})}
        elif kind in (UShaped, MultiTask):
            where = {"cut": (self.cut, self.cut + 1)}
        elif kind is Vertical:
            where = {}
        return kind(lr=LR, batch=BATCH, local_epochs=1, **where, **arguments)

    def prepare(self, kind: type, arguments: dict[str, Any]) -> tuple[Job, Bare]:
        """The job of a method, and the bare loop that takes its steps."""
        method = self.method(kind, arguments)
        servers = min(CORES, len(method.servers(INSTITUTIONS)))
        if kind is Vertical:
            held, blocks = columns(INSTITUTIONS, self.size, self.shape)
            whole = Part(np.concatenate([shard.train.x for shard in held.values()], 1), held[INSTITUTIONS - 1].train.y)
            work = job(method, self.joint, held, INSTITUTIONS, servers, blocks=blocks)
            return work, reference(lambda: self.joint.stages(blocks, CLASSES), [whole], LR, BATCH)
        held = shards(INSTITUTIONS, self.size, self.shape)
        parts, batch = [shard.train for shard in held.values()], BATCH
        if isinstance(method, Horizontal) and method.serving == "concatenated":
            parts = [Part(*(np.concatenate([getattr(part, side) for part in parts]) for side in ("x", "y")))]
            batch = BATCH * INSTITUTIONS
        bare = reference(lambda: self.model.stages(self.shape, CLASSES), parts, LR, batch)
        return job(method, self.model, held, INSTITUTIONS, servers), bare


WORKLOADS = {
    "cnn": Workload(Cnn(channels=(64, 128, 128)), Multimodal(channels=(32, 64), width=56), (3, 32, 32), 160, cut=3),
    "tiny": Workload(Mlp(hidden=(32, 16)), Multimodal(hidden=(32,), width=8), (16,), 3200, cut=1),
}


class Hosts:
    """Actors by their number, started when they are first needed: one without a member would still run the program."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack, self._started = stack, {}

    def of(self, work: Job) -> RayHosts:
        """As many as the job has places for."""
        count = 1 + max(work.hosts["server"])
        if count not in self._started:
            self._started[count] = self._stack.enter_context(RayHosts(count))
        return self._started[count]


def measure(name: str, workload: Workload, kind: type, arguments: dict[str, Any], hosts: Hosts) -> None:
    """Time epochs of a method in one process, in actors, and of the bare loop; print them with their ratios."""
    work, bare = workload.prepare(kind, arguments)
    runtimes = Inline(), hosts.of(work)
    for runtime in runtimes:
        runtime.start(work)
    *ours, its = medians([*map(epochs, runtimes), bare])
    figures = "".join(f"{seconds * 1e3:9.1f} ms {seconds / its:6.2f}" for seconds in ours)
    print(f"{name:<48}{its * 1e3:9.1f} ms{figures}{ours[0] / ours[1]:8.2f}", flush=True)


def label(name: str, arguments: dict[str, Any]) -> str:
    """A method and what is chosen of its arguments, in words."""
    return ", ".join([name, *(f"{value} {key}" for key, value in arguments.items())]).replace("_", " ")


def main(chosen: list[str]) -> None:
    """Every chosen method under every chosen workload."""
    works = [name for name in WORKLOADS if name in chosen] or list(WORKLOADS)
    methods = [name for name in METHODS if name in chosen] or list(METHODS)
    with ExitStack() as stack:
        stack.callback(disconnect)
        hosts = Hosts(stack)
        for work in works:
            print(f"{work:<50}bare loop  one process  ratio      actors  ratio  speed-up", flush=True)
            for name in methods:
                kind, variants = METHODS[name]
                for arguments in variants:
                    measure(label(name, arguments), WORKLOADS[work], kind, arguments, hosts)


if __name__ == "__main__":
    main(sys.argv[1:])
