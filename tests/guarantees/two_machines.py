"""Two machines of a Ray cluster, on one: runs a job on both, loses one, and says in JSON what was seen.

A process of its own, for a process can be in one Ray cluster at a time:
`python -m tests.guarantees.two_machines SESSION_FOLDER FILE OUT`.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time

from swarmsim.cli import main
from swarmsim.runtime.driver import HostLost, Inline
from swarmsim.runtime.placing import Needs
from swarmsim.runtime.ray import RayHosts, disconnect
from swarmsim.types import InputError, SwarmsimError
from tests.comparing import assert_same, ended, outcome
from tests.guarantees.misbehaving import Misbehaving
from tests.jobs import blobs, job, ring
from tests.methods import TRAINING

HOSTS, ROUNDS = 4, 4


def work(**what):
    return job(Misbehaving(**TRAINING, **what), blobs((20, 12, 33, 8)), mixing=ring(4), rounds=ROUNDS, hosts=HOSTS)


def two_nodes(folder: str):
    """A cluster of two nodes, here and `there`, which listens on this machine alone."""
    os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0",
                   "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # fmt: skip
    from ray.cluster_utils import Cluster

    common = {"num_cpus": 2, "include_dashboard": False}
    cluster = Cluster(True, False, {**common, "node_ip_address": "127.0.0.1", "temp_dir": folder})
    there = cluster.add_node(**common, node_ip_address="127.0.0.1", resources={"scanner": 3})
    cluster.wait_for_nodes()
    return cluster, there


def laid_out(cluster, count: int, needs: Needs) -> list[int]:
    """How many hosts each machine gets, the first one's first."""
    with RayHosts(count, cluster.address, needs=needs) as runtime:
        runtime._calls.started(runtime._listening)
        machines = [place.machine for place in runtime._calls.places]
        return [machines.count(node.node_id) for node in cluster.list_all_nodes()]


def refused(cluster, needs: Needs) -> str:
    try:
        RayHosts(HOSTS, cluster.address, needs=needs)
    except InputError as error:
        return str(error)
    return "nothing was refused"


def stops_far_away(cluster) -> str:
    """A host on the other machine that stands still, and cannot be asked."""
    with RayHosts(HOSTS, cluster.address, needs=Needs("spread"), patience=2) as runtime:
        runtime.start(work(rounds={2: "stops"}))
        try:
            runtime.advance(0, ROUNDS)
        except HostLost as error:
            return str(error)
    return "nothing was noticed"


def loses_a_machine(cluster, there) -> dict:
    """A job whose second machine is gone after two rounds: it goes on with what is left."""
    with Inline() as inline:
        expected = outcome(inline, work(), (0, 1))
    with RayHosts(HOSTS, cluster.address, needs=Needs("spread")) as runtime:
        assert_same(outcome(runtime, work(), (0, 1)), expected)
        slow = work(rounds={3: "computes"})
        runtime.start(slow)
        rounds = runtime.advance(0, 2)
        saved, began = runtime.save(), time.monotonic()
        cluster.remove_node(there, allow_graceful=False)
        try:
            runtime.advance(2, ROUNDS)
            lost = "nothing was lost"
        except HostLost as error:
            lost = str(error)
        seconds = time.monotonic() - began
        runtime.restart()
        runtime.start(work())
        runtime.load(saved)
        assert_same(ended(runtime, work(), rounds + runtime.advance(2, ROUNDS), (0, 1)), expected)
    return {"lost": lost, "seconds": seconds}


def through_the_command_line(cluster, file: str, out: str) -> int:
    options = ["--address", cluster.address, "--set", "runtime.placement=spread", "--runtime", "ray", "--hosts", "2"]
    return main(["run", file, "--out", out, *options])


def everything(folder: str, file: str, out: str) -> dict:
    cluster, there = two_nodes(folder)
    seen = {
        "run": through_the_command_line(cluster, file, out),
        "spread": laid_out(cluster, 2, Needs("spread")),
        "pack": laid_out(cluster, 2, Needs("pack")),
        "scanner": refused(cluster, Needs("pack", {"scanner": 1})),
        "gpus": refused(cluster, Needs("pack", {}, 0.5)),
        "half": laid_out(cluster, 2, Needs("spread", {"scanner": 0.5})),
    }
    seen["stopped"] = stops_far_away(cluster)
    seen |= loses_a_machine(cluster, there)
    disconnect()
    cluster.shutdown()
    return seen


if __name__ == "__main__":
    try:
        print(json.dumps(everything(*sys.argv[1:])))
    except SwarmsimError as error:
        print(json.dumps({"error": str(error)}))
