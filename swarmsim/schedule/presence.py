"""Who was in the merges of a run and who was not: what no summary may leave out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from swarmsim.schedule.protocol import MergePlan
from swarmsim.types import Event

__all__ = ["Presence", "merge_events", "presence"]


@dataclass(frozen=True)
class Presence:
    """One institution: the merges that it was in, those made without it, and why it was left out, round by round."""

    merges: int
    left_out: int
    reasons: Mapping[str, int]


def presence(plans: Sequence[MergePlan], names: Sequence[str]) -> dict[str, Presence]:
    """For every institution; merges + left_out is the number of merges, reasons count rounds without a merge too."""
    merged = sum(bool(plan.contributors) for plan in plans)
    inside = Counter(i for plan in plans for i, _ in plan.contributors)
    reasons = [Counter() for _ in names]
    for plan in plans:
        for i, reason in plan.left_out:
            reasons[i][reason] += 1
    return {name: Presence(inside[i], merged - inside[i], dict(reasons[i])) for i, name in enumerate(names)}


def merge_events(plans: Sequence[MergePlan], names: Sequence[str]) -> Iterator[Event]:
    """`deposed`: a leader was away and another was elected; `no merge`, with the reason."""
    for t, plan in enumerate(plans, 1):
        if plan.deposed is not None:
            elected = "nobody" if plan.leader is None else names[plan.leader]
            yield Event(t, "deposed", names[plan.deposed], f"away; {elected} leads")
        if not plan.contributors:
            yield Event(t, "no merge", "all", "no leader" if plan.leader is None else "no quorum")
