"""summary.json, computed from the tables of a run folder: a resumed run needs no memory of its first half."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarmsim.log.table import read_rows
from swarmsim.metrics.summary import best_of, mean, spread

__all__ = ["summarise", "time_spent"]


class _Curve:
    """One metric of one model on one split, round by round: remembers the last evaluation and the best."""

    def __init__(self, metric: str) -> None:
        self.metric, self.round = metric, -1
        self.values: dict[str, float] = {}
        self.best: tuple[float, int] | None = None

    def add(self, round_: int, institution: str, value: float) -> None:
        """Note a value; rounds arrive in ascending order."""
        if round_ != self.round:
            self.close()
            self.round, self.values = round_, {}
        self.values[institution] = value

    def close(self) -> None:
        """The current evaluation is complete: is it the best one? (the first, where several are equal)"""
        value = self._mean()
        if value is not None and (self.best is None or best_of(self.metric)((value, self.best[0])) != self.best[0]):
            self.best = (value, self.round)

    def _finite(self) -> dict[str, float]:
        return {name: value for name, value in self.values.items() if math.isfinite(value)}

    def _mean(self) -> float | None:
        """Over the institutions, or the value of `all` where nothing else was measured; None: not finite."""
        finite = self._finite()
        alone = [value for name, value in finite.items() if name != "all"] or list(finite.values())
        return mean(alone) if alone else None

    def result(self) -> dict[str, Any]:
        """mean, worst and per_institution are of the last evaluation; final and best are means."""
        self.close()
        finite = self._finite()
        institutions = {name: finite.get(name) for name in self.values if name != "all"}
        known = [value for value in institutions.values() if value is not None] or list(finite.values())
        last = spread(self.metric, known) if known else {"mean": None, "worst": None}
        best, best_round = self.best or (None, None)
        return {
            "mean": last["mean"], "worst": last["worst"], "per_institution": institutions,
            "final": last["mean"], "best": best, "best_round": best_round,
        }  # fmt: skip


def summarise(folder: Path, known: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Final and best figures of a run, from metrics.csv, ledger.csv and timing.csv.

    `known` is what no table holds: `compute`, the FLOPs of the first round by participant, `flops`, those of all rounds
    and participants, `clock` (null: not known), and what a method adds.
    `bytes` and `messages` are what training sent; what evaluation would have to send is in `eval_bytes` and, kind
    by kind, in `bytes_by_kind`. A value that is not finite becomes null.
    """
    scores, seconds = _scores(folder)
    sent = _sent(folder)
    rounds, wall = time_spent(folder)
    training = {kind: both for kind, both in sent.items() if not kind.startswith("eval_")}
    return {
        "rounds": rounds,
        "messages": sum(messages for messages, _ in training.values()),
        "bytes": sum(size for _, size in training.values()),
        "eval_bytes": sum(size for kind, (_, size) in sent.items() if kind not in training),
        "bytes_by_kind": {kind: size for kind, (_, size) in sorted(sent.items())},
        "compute": None,
        "flops": None,
        "wall_seconds": wall,
        "simulated_seconds": seconds,
        "clock": None,
        "scores": scores,
        **(known or {}),
    }


def _scores(folder: Path) -> tuple[dict[str, Any], float | None]:
    """({model: {split: {metric: figures}}}, simulated seconds of the last line that has any)."""
    curves: dict[tuple[str, str, str], _Curve] = {}
    seconds = ""
    for round_, clock, split, institution, model, metric, value in read_rows(folder / "metrics.csv"):
        seconds = clock or seconds
        key = (model, split, metric)
        if key not in curves:
            curves[key] = _Curve(metric)
        curves[key].add(int(round_), institution, float(value))
    scores: dict[str, Any] = {}
    for (model, split, metric), curve in curves.items():
        scores.setdefault(model, {}).setdefault(split, {})[metric] = curve.result()
    return scores, float(seconds) if seconds else None


def _sent(folder: Path) -> dict[str, tuple[int, int]]:
    """{kind: (messages, bytes)}"""
    sent: dict[str, tuple[int, int]] = {}
    for _, _, _, kind, messages, size in read_rows(folder / "ledger.csv"):
        before = sent.get(kind, (0, 0))
        sent[kind] = (before[0] + int(messages), before[1] + int(size))
    return sent


def time_spent(folder: Path) -> tuple[int, float]:
    """(the last round, wall seconds of all)"""
    rows = [(int(row[0]), float(row[1])) for row in read_rows(folder / "timing.csv")]
    return max((round_ for round_, _ in rows), default=0), math.fsum(wall for _, wall in rows)
