"""Made-up reports, as a run of a swarm method yields them."""

from __future__ import annotations

from swarmsim.types import Event, Merge, Report, Score, Traffic

__all__ = ["NAMES", "report", "reports"]

NAMES = ("basel", "hungarian", "va")


def report(t, names=NAMES):
    """Round t: institution i has AUROC 0.5 + 0.1 i + 0.01 t, loss 1 / (1 + t)."""
    scores = [Score("test", name, "local", "auroc", 0.5 + 0.1 * (i % 4) + 0.01 * t) for i, name in enumerate(names)]
    scores += [Score("test", name, "local", "loss", 1 / (1 + t)) for name in names]
    scores += [Score("train", name, "local", "loss", 0.5 / (1 + t)) for name in names]
    scores += [Score("pooled", name, "local", "auroc", 0.6) for name in names]
    scores += [Score("test", name, "merged", "auroc", 0.7) for name in names]
    scores.append(Score("pooled", "all", "merged", "auroc", 0.8))
    scores.append(Score("swarm", "all", "all", "consensus_distance", 0.1 / (1 + t)))
    traffic = [Traffic(t, name, names[i - 1], "weights", 1, 1000 + i) for i, name in enumerate(names)] if t else []
    traffic += [Traffic(t, names[0], names[1], "eval_weights", 1, 7)] if t else []
    merges = (Merge(t, 0, names[0], names[:2], names[2:3], "late"),) if t else ()
    events = (Event(t, "lost", names[0], f"from {names[1]}"),) if t else ()
    return Report(t, tuple(scores), tuple(traffic), merges, None, {"train": 0.25, "evaluate": 0.5}, events)


def reports(rounds, names=NAMES):
    return [report(t, names) for t in range(rounds + 1)]
