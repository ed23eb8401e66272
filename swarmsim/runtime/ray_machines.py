"""The machines of a Ray cluster: what they have, which of them answer, and how to run something on one of them."""

from __future__ import annotations

from typing import Any

from swarmsim.runtime.placing import Machine

__all__ = ["answering", "here", "machines_of", "pinned"]

ANSWER = 30.0  # seconds in which a machine answers, or Ray notices that it is gone


def here(ray: Any) -> str:
    """Ray's id of this machine."""
    return ray.get_runtime_context().get_node_id()


def machines_of(ray: Any) -> list[Machine]:
    """Those of the cluster, this one first."""
    nodes = [node for node in ray.nodes() if node["Alive"]]
    nodes.sort(key=lambda node: (node["NodeID"] != here(ray), node["NodeManagerAddress"], node["NodeID"]))
    return [
        Machine(node["NodeID"], f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})", _own(node))
        for node in nodes
    ]


def answering(ray: Any, machines: list[Machine]) -> list[Machine]:
    """Those that answer: Ray counts on a machine for some time after it is lost."""
    asked = {
        machine.id: ray.remote(_nothing).options(num_cpus=0, max_retries=0, **pinned(ray, machine.id)).remote()
        for machine in machines
        if machine.id != here(ray)
    }
    done, _ = ray.wait([*asked.values()], num_returns=len(asked), timeout=ANSWER) if asked else ([], [])
    return [machine for machine in machines if machine.id not in asked or _well(ray, asked[machine.id], done)]


def pinned(ray: Any, machine: str) -> dict[str, Any]:
    """The options with which something runs on one machine and no other."""
    affinity = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    return {"scheduling_strategy": affinity(machine, soft=False)}


def _nothing() -> None:
    """What a machine is asked to do, to see whether it can."""


def _well(ray: Any, answer: Any, done: list) -> bool:
    try:
        return answer in done and ray.get(answer) is None
    except ray.exceptions.RayError:
        return False


def _own(node: dict[str, Any]) -> dict[str, float]:
    """What a machine has, without its memory and the marks that Ray puts on each."""
    return {name: amount for name, amount in node["Resources"].items() if ":" not in name and "memory" not in name}
