"""What an experiment will do, before it does it: `swarmsim check`."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from swarmsim.assemble import assemble, federation_of, hosts_of
from swarmsim.cost_table import cost_table, in_bytes
from swarmsim.lazy import torch
from swarmsim.runtime.costs import per_round
from swarmsim.runtime.world import Job, network_of
from swarmsim.timetable import holdings
from swarmsim.topology.describe import describe
from swarmsim.trees import nbytes
from swarmsim.twins import exactness
from swarmsim.types import Federation

if TYPE_CHECKING:
    from swarmsim.experiment import Experiment, Study

__all__ = ["check", "render"]


def check(study: Study, exact: bool = False) -> dict[str, Any]:
    """A report of plain values: the institutions, and for each method its model, topology, and what a round costs.

    Costs are those of the first round, rehearsed with tensors that have a shape but no content: messages and FLOPs
    are counted as in the run, nothing is trained. `exact` trains a few rounds beside the method's twin.
    """
    federation = federation_of(study.methods[0])
    return {
        "name": study.name,
        "institutions": _institutions(federation),
        "notes": list(federation.notes),
        "methods": [_method(experiment, federation, exact) for experiment in study.methods],
        "origins": dict(study.origins),
    }


def _method(experiment: Experiment, federation: Federation, exact: bool) -> dict[str, Any]:
    hosts = hosts_of(experiment, len(federation.shards))
    job, _ = assemble(experiment, federation, hosts)
    report = {"label": experiment.label, "model": _model(job), "topology": None}
    if experiment.topology is not None:
        names = getattr(experiment.algorithm, "nodes", lambda names: names)(federation.names)
        report["topology"] = describe(
            experiment.topology, len(names), experiment.seed_run, *holdings(federation, names)
        )
    report |= {"per_round": per_round(job), "memory": _memory(job, federation, hosts)}
    if exact:
        report["exact"] = exactness(dataclasses.replace(job, device="cpu"))
    return report


def _institutions(federation: Federation) -> list[dict[str, Any]]:
    classes = federation.classes
    return [
        {
            "name": shard.name,
            "train": len(shard.train), "validation": len(shard.validation), "test": len(shard.test),
            "classes": dict(zip(classes, np.bincount(shard.train.y, minlength=len(classes)).tolist(), strict=True))
            if classes and shard.train.y.ndim == 1 else None,
        }
        for shard in federation.shards
    ]  # fmt: skip


def _model(job: Job) -> dict[str, Any]:
    """Parameters in all, of each stage, and of each part where the method cuts."""
    network = network_of(job, torch.float32)
    stages = {name: network.segment(k, k + 1).params.size for k, name in enumerate(network.names)}
    cut = getattr(job.algorithm, "parts_of", None)
    parts = {name: segment.params.size for name, segment in cut(network, len(job.names)).items()} if cut else None
    return {"parameters": network.params.size, "stages": stages, "parts": parts}


def _memory(job: Job, federation: Federation, hosts: int) -> dict[str, int]:
    """Bytes of the fullest host: its institutions' examples, and rows of weights, gradient and optimiser."""
    dtype = getattr(torch, job.dtype)
    network = network_of(job, dtype)
    rule, weights = job.algorithm.rule(), network.initial()
    rows = 3 * nbytes(weights["params"]) + nbytes(weights["buffers"]) + nbytes(rule.start(weights["params"]))
    examples: Counter[int] = Counter()
    for place, shard in zip(job.hosts["institution"], federation.shards, strict=True):
        examples[place] += shard.train.x.nbytes + shard.train.y.nbytes
    if job.pool is not None:
        examples[job.hosts["server"][0]] += job.pool.x.nbytes + job.pool.y.nbytes
    institutions = max(Counter(job.hosts["institution"]).values())
    return {"rows": rows * institutions, "examples": max(examples.values()), "hosts": hosts}


# -------------------------------------------------------------------------------------------------- in words


def render(report: dict[str, Any]) -> str:
    """The report as a person reads it."""
    lines = [report["name"], "", "institutions"]
    for each in report["institutions"]:
        classes = "  ".join(f"{name}: {count}" for name, count in (each["classes"] or {}).items())
        lines.append(
            f"  {each['name']:<20} train {each['train']:>5}  validation {each['validation']:>4}  "
            f"test {each['test']:>4}   {classes}".rstrip()
        )
    lines += [f"  note: {note}" for note in report["notes"]]
    for method in report["methods"]:
        lines += ["", method["label"], *(f"  {line}".rstrip() for line in _method_lines(method))]
    lines += _origin_lines(report["origins"])
    return "\n".join(lines)


def _origin_lines(origins: dict[str, str]) -> list[str]:
    """Where values come from, if not all from one file: what was inherited, and what `--set` changed."""
    written = {path: origin for path, origin in origins.items() if origin != "default"}
    if len({origin.rsplit(":", 1)[0] for origin in written.values()}) < 2:
        return []
    title = f"where values come from (the other {len(origins) - len(written)} are defaults)"
    return ["", title, *(f"  {path:<32} {origin}" for path, origin in written.items())]


def _method_lines(method: dict[str, Any]) -> list[str]:
    model, traffic, memory = method["model"], method["per_round"], method["memory"]
    parts = "".join(f", {name} {size:,}" for name, size in (model["parts"] or {}).items())
    kinds = ", ".join(f"{kind} {in_bytes(size)}" for kind, size in traffic["bytes_by_kind"].items())
    fullest = in_bytes(memory["rows"] + memory["examples"])
    lines = [
        f"parameters  {model['parameters']:,}{parts}",
        f"a round     {traffic['messages']:,} messages, {in_bytes(traffic['bytes'])}"
        + (f" ({kinds})" if kinds else ""),
        f"memory      about {fullest} in the fullest of {memory['hosts']} host(s)",
    ]
    if (topology := method["topology"]) is not None:
        lowest = round(topology["lambda_min"], 6) + 0.0  # never -0
        lines.append(
            f"topology    {topology['edges']} edges, spectral gap {topology['spectral_gap']:.6f}, "
            f"lambda_min {lowest:.6f}, "
            f"{'connected' if topology['connected'] else 'NOT connected'}, "
            f"{'doubly stochastic' if topology['doubly_stochastic'] else 'NOT doubly stochastic'}"
        )
    if (exact := method.get("exact")) is not None:
        lines.append(f"exact       {_exact_words(exact)}")
    return [*lines, "", *cost_table(traffic["participants"])]


def _exact_words(exact: dict[str, Any]) -> str:
    if exact["twin"] is None:
        return "no centralised or unsplit twin exists for this method"
    return f"largest difference {exact['max_difference']:.3g} after {exact['rounds']} rounds from {exact['twin']}"
