"""How long, how many bytes and how much computing it took to be as good as `evaluate.targets` asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from swarmsim.clock.words import in_seconds
from swarmsim.log.table import read_rows
from swarmsim.metrics.targets import first_reached

__all__ = ["in_markdown", "in_units", "reached_at", "to_targets"]


def to_targets(folder: Path, targets: Mapping[str, float], flops: Sequence[int] | None) -> dict[str, Any]:
    """{metric: {"target", "mean": cost, "worst": cost}} from the tables of a run folder.

    A cost is {"round", "seconds", "bytes", "flops"} until the first evaluated round in which the mean (the worst) over
    institutions of the local model's test score reaches the target; None: it never does. `flops[k]` are those until
    round k is over; None: not known. Bytes are those of training, as in the summary.
    """
    found = {}
    for metric, target in targets.items():
        rounds = first_reached(metric, target, _evaluations(folder, metric))
        costs = {name: None if t is None else _cost(folder, t, flops) for name, t in rounds.items()}
        found[metric] = {"target": target, **costs}
    return found


def _evaluations(folder: Path, metric: str) -> Iterator[tuple[int, dict[str, float]]]:
    rows = read_rows(folder / "metrics.csv")
    mine = (row for row in rows if row[2] == "test" and row[4] == "local" and row[5] == metric)
    for round_, lines in groupby(mine, key=lambda row: int(row[0])):
        yield round_, {row[3]: float(row[6]) for row in lines}


def _cost(folder: Path, round_: int, flops: Sequence[int] | None) -> dict[str, Any]:
    seconds = next(row[1] for row in read_rows(folder / "metrics.csv") if int(row[0]) == round_)
    sent: Counter[str] = Counter()
    for t, _, _, kind, _, size in read_rows(folder / "ledger.csv"):
        sent["eval" if kind.startswith("eval_") else "training"] += int(size) if int(t) <= round_ else 0
    return {
        "round": round_, "seconds": float(seconds) if seconds else None, "bytes": sent["training"],
        "flops": None if flops is None else flops[round_],
    }  # fmt: skip


def reached_at(cost: Mapping[str, Any] | None) -> tuple[str, str, str, str]:
    """Round, simulated time, bytes and FLOPs as a person reads them."""
    if cost is None:
        return "not reached", "-", "-", "-"
    seconds, flops = cost["seconds"], cost["flops"]
    clock = "-" if seconds is None else in_seconds(seconds)
    return f"round {cost['round']}", clock, in_units(cost["bytes"], "B"), "-" if not flops else in_units(flops)


def in_markdown(found: Mapping[str, Any]) -> str:
    """A table for TensorBoard."""
    lines = ["| target | of | reached in | simulated | sent | FLOPs |", "|---|---|---|---|---|---|"]
    for metric, each in found.items():
        for name in ("mean", "worst"):
            lines.append(f"| {metric} {each['target']:g} | {name} | {' | '.join(reached_at(each[name]))} |")
    return "\n".join(lines)


def in_units(count: float, unit: str = "") -> str:
    """1234567 -> 1.2 M."""
    for prefix in ("", "k", "M", "G", "T", "P"):
        if count < 1000 or prefix == "P":
            break
        count /= 1000
    return f"{count:,.{1 if prefix else 0}f} {prefix}{unit}".rstrip()
