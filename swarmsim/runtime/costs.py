"""What a round costs, rehearsed with tensors that have a shape but no content: nothing is trained."""

from __future__ import annotations

import dataclasses
import sys
from collections import Counter
from typing import Any

from swarmsim.runtime.driver import Inline
from swarmsim.runtime.world import Job
from swarmsim.types import InputError

__all__ = ["LONG", "flops_of", "per_round"]

LONG = 2000  # batches: the rehearsal of a longer round, which takes several seconds, is left to `swarmsim check`


def per_round(job: Job) -> dict[str, Any]:
    """Messages and bytes of the first round in all and by kind, and its cost by participant (runtime.meter.Cost).

    {"messages", "bytes", "bytes_by_kind": {kind: bytes}, "participants": {name: {"flops", "memory": {"rows",
    "examples", "activations"}, "sent": {kind: bytes}, "received": {kind: bytes}, "messages": sent ones}}}
    """
    with Inline() as runtime:
        runtime.start(_hollow(job))
        try:
            traffic, costs = runtime.rehearse(0)
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


def flops_of(job: Job, long: int = LONG) -> dict[str, int] | None:
    """FLOPs of the first round by participant, for the records of a run; None if it has more batches than `long`.

    None too, with a word on stderr, for a program that decides by numbers, which a rehearsal has not.
    """
    with Inline() as runtime:
        runtime.start(_hollow(job))
        if runtime.batches() > long:
            return None
        try:
            costs = runtime.rehearse(0).costs
        except RuntimeError as error:  # what torch raises when asked for the content of a tensor that has none
            print(f"no FLOPs in the records: the round cannot be rehearsed ({error})", file=sys.stderr)
            return None
    return {name: cost.flops for name, cost in costs.items()}


def _hollow(job: Job) -> Job:
    return dataclasses.replace(job, device="meta", packed=False)
