"""Which values of the axes exclude each other, and why."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from swarmsim.algorithms.split._chain import OWN, is_server

__all__ = ["contradictions"]


def contradictions(method: Any) -> str | None:
    """What is impossible about a method's arguments and the way out, or None."""
    return _chain(method) or next((words for holds, words in _RULES if holds(method)), None)


def _chain(method: Any) -> str | None:
    if (method.cut is None) == (method.stages is None):
        return "give either cut (bottom and top, or [a, b] for bottom, trunk and head) or stages (any chain of owners)"
    owners = method.owners
    last = "institution" if owners[-1].owner == OWN else "server"
    if method.labels not in (None, last):
        return (
            "labels: institution needs two cuts, cut: [a, b] (bottom, trunk, head), or a last stage that is each "
            "institution's own; labels: server needs one, cut: k, or a last stage at a server"
        )
    if method.stages is None:
        return None
    if owners[0].owner != OWN:
        return "stages: the first owner must be `institution`: every institution feeds its own examples"
    if all(entry.owner == OWN for entry in owners):
        return "stages: every stage belongs to the institutions, so nothing is cut; use baseline/local"
    if any(a.owner == b.owner for a, b in itertools.pairwise(owners)):
        return "stages: two neighbours have the same owner; join them into one entry"
    if owners[-1].until is not None or any(entry.until is None for entry in owners[:-1]):
        return "stages: every entry but the last says `until` which stage it goes, the last goes to the end"
    return None


def _averaged(method: Any) -> bool:
    return method.institution_weights.startswith("averaged") or method.copies != "one"


_RULES: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (
        lambda m: m.serving == "concatenated" and m.copies == "per_institution",
        "serving: concatenated joins the batches at one server copy; use copies: one",
    ),
    (
        lambda m: m.serving == "concatenated" and m.hands_over,
        "serving: concatenated has all institutions compute at once, so no bottom can be handed over; "
        "use institution_weights: private, averaged_each_epoch or averaged_each_batch",
    ),
    (
        lambda m: m.institution_weights == "averaged_each_batch" and m.takes_turns,
        "institution_weights: averaged_each_batch averages after the k-th batches of all institutions; by turns these "
        "are far apart; use serving: interleaved or concatenated",
    ),
    (
        lambda m: m.cut_gradient == "own" and m.serving != "concatenated",
        "cut_gradient: own differs from joint only with serving: concatenated; leave it out",
    ),
    (
        lambda m: m.optimizer_state == "handover" and not m.hands_over,
        "optimizer_state: handover needs institution_weights: handed_over or handed_over_via_server; "
        "use keep, reset or average",
    ),
    (
        lambda m: m.optimizer_state == "average" and not _averaged(m),
        "optimizer_state: average needs weights that are averaged; use keep, reset or handover",
    ),
    (
        lambda m: m.heads == "private" and m.owners[-1].owner != OWN,
        "heads: private needs heads, that is labels at the institution: use cut: [a, b]",
    ),
    (
        lambda m: m.institution_weights == "handed_over_via_server" and not any(is_server(e.owner) for e in m.owners),
        "institution_weights: handed_over_via_server needs a server among the owners; use handed_over",
    ),
    (
        lambda m: m.institution_weights.startswith("averaged") and not any(is_server(e.owner) for e in m.owners),
        "averages are computed at a server, and no stage has one; use institution_weights: handed_over or private",
    ),
    (
        lambda m: m.copies != "one" and not any(is_server(e.owner) for e in m.owners),
        "copies are of a server's part, and no stage has one; use copies: one",
    ),
    (
        lambda m: m.batch_norm == "average" and not any(is_server(e.owner) for e in m.owners),
        "batch_norm: average is computed at a server, and no stage has one; use shared, local or recalibrate",
    ),
    (
        lambda m: bool(m.personal),
        "personal is for methods that average whole models; here parts stay at home by institution_weights: private, "
        "or heads: private",
    ),
    (
        lambda m: m.in_flight > 1 and m.hands_over and not m.takes_turns,
        "in_flight above 1: a bottom that is handed over after every batch cannot have batches on their way; "
        "use turns, or institution_weights: private, averaged_each_epoch or averaged_each_batch",
    ),
    (
        lambda m: m.in_flight > 1 and m.serving == "concatenated" and m.institution_weights == "averaged_each_batch",
        "in_flight above 1: bottoms that are averaged after every joint batch cannot have batches on their way; use "
        "institution_weights: private or averaged_each_epoch",
    ),
    (
        lambda m: m.clip is None and m.clip_norm != type(m).model_fields["clip_norm"].default,
        "clip_norm says of which norm clip is the limit: give clip, or leave it out",
    ),
)
