"""What a round costs, rehearsed with tensors that have a shape but no content: nothing is trained."""

from __future__ import annotations

from collections import Counter
from typing import Any

from swarmsim.runtime.rehearsal import Rehearsals
from swarmsim.runtime.world import Job
from swarmsim.types import InputError

__all__ = ["per_round"]


def per_round(job: Job) -> dict[str, Any]:
    """Messages and bytes of the first round in all and by kind, and its cost by participant (runtime.meter.Cost).

    {"messages", "bytes", "bytes_by_kind": {kind: bytes}, "participants": {name: {"flops", "memory": {"rows",
    "examples", "activations"}, "sent": {kind: bytes}, "received": {kind: bytes}, "messages": sent ones}}}
    """
    rehearsals = Rehearsals(job)
    try:
        traffic, costs = rehearsals.next().traffic, rehearsals.costs()
    except RuntimeError as error:
        raise InputError(
            f"the first round cannot be rehearsed ({error}): a stage of the model must make its tensors on the "
            "device of its input, and may not decide by a number in it"
        ) from error
    sent, received, messages = ({name: Counter() for name in costs} for _ in range(3))
    kinds: Counter[str] = Counter()
    for _, src, dst, kind, count, size in traffic:
        sent[src][kind] += size
        received[dst][kind] += size
        messages[src][kind] += count
        kinds[kind] += size
    participants = {
        name: {
            "flops": cost.flops,
            "memory": {"rows": cost.rows, "examples": cost.examples, "activations": cost.activations},
            "sent": dict(sorted(sent[name].items())),
            "received": dict(sorted(received[name].items())),
            "messages": messages[name].total(),
        }
        for name, cost in costs.items()
    }
    return {
        "messages": sum(each["messages"] for each in participants.values()),
        "bytes": kinds.total(),
        "bytes_by_kind": dict(sorted(kinds.items())),
        "participants": participants,
    }
