"""A plan as a person reads it: a paragraph and two tables for each method, and a table that compares them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swarmsim.clock.words import in_seconds, in_short
from swarmsim.log.targets import in_units

__all__ = ["render"]

FEW = 12  # so many participants have a line and a column each; of more, those who idle least, send and receive most
PAIRS = 10  # of participants, where there are too many for a matrix
CAUSES = 4


def render(report: Mapping[str, Any]) -> str:
    """The whole plan."""
    lines = [report["name"]]
    for method in report["methods"]:
        lines += ["", method["label"], *(f"  {line}".rstrip() for line in _method(method))]
    if len(report["methods"]) > 1:
        lines += ["", "all methods", *(f"  {line}" for line in _comparison(report["methods"]))]
    return "\n".join(lines)


def _method(method: Mapping[str, Any]) -> Iterator[str]:
    rounds = _rounds(method["round_seconds"])
    yield f"time        {in_seconds(method['seconds'])} in {method['rounds']:,} rounds; {rounds}"
    if method["words"]:
        yield f"spent on    {method['words']}"
        causes = method["critical_path"][:CAUSES]
        yield from (f"            {in_short(each['share']):>5}  {each['what']}" for each in causes if len(causes) > 1)
    yield from _traffic(method)
    yield f"FLOPs       {in_units(method['flops'])}"
    yield from _troubles(method)
    yield from ("", *_participants(method))
    if method["matrix"]:
        yield from ("", *_matrix(method))


def _rounds(seconds: Mapping[str, float]) -> str:
    said = {name: in_seconds(value) for name, value in seconds.items()}
    if len(set(said.values())) == 1:
        return f"every round takes {said['first']}"
    spread = f"a round takes {said['min']} to {said['max']}, median {said['median']}"
    return f"{spread}, the first {said['first']}, the last {said['last']}"


def _traffic(method: Mapping[str, Any]) -> Iterator[str]:
    sizes, counts = method["bytes_by_kind"], method["messages_by_kind"]
    useful = [kind for kind in sizes if not kind.startswith(("lost_", "copy_"))]
    yield f"sends       {method['messages']:,} messages, {_bytes(method['bytes'])}{_kinds(useful, sizes)}"
    for prefix, words in (("lost_", "lost"), ("copy_", "copies")):
        kinds = [kind for kind in sizes if kind.startswith(prefix)]
        if kinds:
            count, size = sum(counts[kind] for kind in kinds), sum(sizes[kind] for kind in kinds)
            yield f"  {words:<10}{count:,} of these messages, {_bytes(size)}{_kinds(kinds, sizes)}"
    tried = method["evaluation"]
    if tried["messages"]:
        size = sum(tried["bytes_by_kind"].values())
        yield f"evaluation  would send {tried['messages']:,} more messages, {_bytes(size)}, if it were a deployment"


def _troubles(method: Mapping[str, Any]) -> Iterator[str]:
    """Who is slow, who is left out, and what else happens."""
    for name, each in method["stragglers"].items():
        yield f"straggles   {name}, up to {each['factor']:g} times as long, in {each['rounds']:,} rounds"
    for name, each in method["merges"].items():
        if each["left_out"] or each["reasons"]:
            why = ", ".join(f"{reason} {count:,}" for reason, count in each["reasons"].items())
            yield f"left out    {name}, of {each['left_out']:,} of {each['left_out'] + each['merges']:,} merges ({why})"
    if method["events"]:
        yield "events      " + ", ".join(f"{event} {count:,}" for event, count in method["events"].items())


def _participants(method: Mapping[str, Any]) -> list[str]:
    """A line for each, or for the extreme ones of many."""
    names = list(method["memory"])
    if len(names) > FEW:
        names = _extreme(method, names)
    head = ("participant", "FLOPs", "FLOP/s", "memory", "sends", "receives", "idle", "last in")
    rows = [
        (
            name,
            in_units(method["flops_by_participant"][name]),
            in_units(method["speeds"][name]),
            _bytes(sum(method["memory"][name].values())),
            _bytes(method["sent"].get(name, 0)),
            _bytes(method["received"].get(name, 0)),
            in_short(method["idle"][name]) if method["idle"] else "-",
            f"{method['last'].get(name, 0):,} rounds",
        )
        for name in names
    ]
    return _table([head, *rows])


def _extreme(method: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Who idles least and most, who sends and receives most, who is slowest, who is last most often."""
    idle, none = method["idle"], {}
    measures = (
        (idle or none, min), (idle or none, max), (method["sent"], max), (method["received"], max),
        (method["speeds"], min), (method["last"], max),
    )  # fmt: skip
    found = [end(values, key=values.get) for values, end in measures if values]
    return sorted(set(found), key=names.index)


def _matrix(method: Mapping[str, Any]) -> list[str]:
    """Bytes from whom (lines) to whom (columns); of many participants, between whom most is sent."""
    names = list(method["memory"])
    if len(names) > FEW:
        largest = sorted(method["matrix"], key=lambda line: -line[2])[:PAIRS]
        said = [f"{_bytes(size)} from {src} to {dst}" for src, dst, size in largest]
        return [f"most is sent between these of {method['pairs']:,} pairs", *said]
    sizes = {(src, dst): size for src, dst, size in method["matrix"]}
    rows = [(src, *(_bytes(sizes[src, dst]) if (src, dst) in sizes else "-" for dst in names)) for src in names]
    return _table([("from / to", *names), *rows])


def _comparison(methods: Sequence[Mapping[str, Any]]) -> list[str]:
    head = ("method", "time", "a round", "messages", "sends", "FLOPs", "left out", "spent on")
    rows = [
        (
            each["label"],
            in_seconds(each["seconds"]),
            in_seconds(each["round_seconds"]["median"]),
            f"{each['messages']:,}",
            _bytes(each["bytes"]),
            in_units(each["flops"]),
            f"{sum(found['left_out'] for found in each['merges'].values()):,}" if each["merges"] else "-",
            each["words"] or "-",
        )
        for each in methods
    ]
    return _table([head, *rows], left=(0, len(head) - 1))


def _table(rows: Sequence[Sequence[str]], left: Sequence[int] = (0,)) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    padded = ([cell.ljust(width) if k in left else cell.rjust(width) for k, (cell, width) in enumerate(pairs)]
              for pairs in (list(zip(row, widths, strict=True)) for row in rows))  # fmt: skip
    return ["  ".join(cells).rstrip() for cells in padded]


def _kinds(kinds: Sequence[str], sizes: Mapping[str, int]) -> str:
    return f" ({', '.join(f'{kind} {_bytes(sizes[kind])}' for kind in kinds)})" if kinds else ""


def _bytes(count: float) -> str:
    return in_units(count, "B")
