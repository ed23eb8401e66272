"""A timeline as Chrome trace events: who computed, waited and sent, to open in Perfetto or chrome://tracing.

Every participant is a process with three threads: its work, its uplink and its downlink. Times are simulated
microseconds, to the nanosecond. Format: the Trace Event Format of the Chromium project.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from swarmsim.clock.account import Account
from swarmsim.clock.simulation import Journey, Stretch

__all__ = ["SLICES", "on_line", "trace", "trace_events"]

SLICES = 5_000  # of participants' work in a trace; it ends with the last of them
THREADS = ("work", "uplink", "downlink")

Slice = dict[str, Any]


def trace(*accounts: Account, labels: Sequence[str] = (), most: int = SLICES) -> dict[str, Any]:
    """The content of a trace file; of several runs, with the label of each before the names of its participants."""
    events: list[Slice] = []
    shown = []
    for account, label in zip(accounts, labels or [""] * len(accounts), strict=True):
        first = 1 + max((event["pid"] for event in events), default=-1)
        events += trace_events(account, most, first, f"{label}: " if label else "")
        shown.append(_until(account, most))
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {
            "time": "simulated microseconds",
            "shown_seconds": shown,
            "all_seconds": [account.seconds for account in accounts],
        },
    }


def trace_events(account: Account, most: int = SLICES, first: int = 0, prefix: str = "") -> list[Slice]:
    """Names, slices and arrows of one run, cut behind the first `most` slices of work; processes from `first` on."""
    names, end = account.names, _until(account, most)
    events: list[Slice] = []
    for who, name in enumerate(names):
        process = {"ph": "M", "pid": first + who, "tid": 0}
        events.append({**process, "name": "process_name", "args": {"name": prefix + name}})
        events.append({**process, "name": "process_sort_index", "args": {"sort_index": first + who}})
        events += [{**process, "tid": tid, "name": "thread_name", "args": {"name": what}}
                   for tid, what in enumerate(THREADS)]  # fmt: skip
    events += [_work(first, who, stretch, journey, names) for who, stretch, journey in account.clock.timeline
               if stretch.end <= end]  # fmt: skip
    sent = sorted((each for each in account.messages if each.arrived is not None and each.arrived <= end),
                  key=lambda each: (each.reached[0], each.key))  # fmt: skip
    return events + list(_lines(first, sent, names))


def _until(account: Account, most: int) -> float:
    """Up to when a trace of so many slices is complete."""
    clock = account.clock
    ends = sorted(stretch.end for _, stretch, _ in clock.timeline if stretch.end <= clock.shown)
    return ends[most - 1] if len(ends) > most else max(ends, default=0.0)


def _work(first: int, who: int, stretch: Stretch, journey: Journey | None, names: Sequence[str]) -> Slice:
    words = {"compute": "compute", "hold": "wait for others to come", "rest": "away"}
    waited = "wait" if journey is None else f"wait for {journey.kind} of {names[journey.src]}"
    place = {"ph": "X", "pid": first + who, "tid": 0, "cat": stretch.what}
    begin, end = _nanoseconds(stretch.begin), _nanoseconds(stretch.end)
    return {**place, "name": words.get(stretch.what, waited), **_span(begin, end), "args": {"round": stretch.round + 1}}


def _lines(first: int, sent: Sequence[Journey], names: Sequence[str]) -> Iterator[Slice]:
    """Each message on its sender's uplink and its receiver's downlink, with an arrow from the one to the other."""
    free: dict[tuple[int, int], int] = {}
    passes = [(on_line(journey, stage), journey, stage) for journey in sent for stage in (0, -1)]
    for number, (span, journey, stage) in enumerate(sorted(passes, key=lambda each: each[0])):
        who, tid = (journey.src, 1) if stage == 0 else (journey.dst, 2)
        place = {"pid": first + who, "tid": tid, "cat": "message"}
        begin = max(_nanoseconds(span[0]), free.get((who, tid), 0))  # rounding may not make two overlap
        end = free[who, tid] = max(begin, _nanoseconds(span[1]))
        name = f"{journey.kind} to {names[journey.dst]}" if stage == 0 else f"{journey.kind} from {names[journey.src]}"
        said = {"bytes": journey.size, "round": journey.key[0] + 1, "number": number}
        yield {"ph": "X", **place, "name": name, **_span(begin, end), "args": said}
        arrow = {"name": "message", "id": f"{first}.{journey.key[0]}.{journey.key[1]}", "ts": begin / 1000}
        yield {"ph": "s", **place, **arrow} if stage == 0 else {"ph": "f", "bp": "e", **place, **arrow}


def on_line(journey: Journey, stage: int) -> tuple[float, float]:
    """From when to when a message is on its first or its last line; the inverse of how the wires let it pass."""
    hop = journey.hops[stage]
    end = journey.arrived
    if stage == 0:
        following = journey.hops[1]
        end = journey.reached[1] - journey.delay + journey.size / max(hop.rate, following.rate)
    return end - journey.size / hop.rate, end


def _span(begin: int, end: int) -> Slice:
    return {"ts": begin / 1000, "dur": (end - begin) / 1000}


def _nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)
