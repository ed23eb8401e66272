"""Which parts of a model's weights cross the net, and how they are put back together behind it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.local.training import Training
from swarmsim.network.located import Group, Located
from swarmsim.rows import Segment
from swarmsim.types import InputError

__all__ = ["Averaging", "Shared", "Verb", "all_of", "exchange", "exchange_beside", "shares", "statistics_of"]

Verb = Callable[[Located, str], Located]  # a verb of the net (values, kind) with its other arguments filled in


@dataclass(frozen=True)
class Shared:
    """What of a part's weights is exchanged: kinds of rows, and of each the stretches [a, b) (None: whole rows)."""

    kinds: tuple[str, ...]
    spans: Mapping[str, tuple[tuple[int, int], ...]] | None = None

    def pick(self, kind: str, row: torch.Tensor) -> torch.Tensor:
        """What is exchanged of a row [..., d]."""
        if self.spans is None:
            return row
        return torch.cat([row[..., a:b] for a, b in self.spans[kind]] or [row[..., :0]], -1)

    def put(self, kind: str, row: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """The row with what was exchanged of it."""
        if self.spans is None:
            return new
        row, begin = row.clone(), 0
        for a, b in self.spans[kind]:
            row[..., a:b] = new[..., begin : begin + b - a]
            begin += b - a
        return row


class Averaging(Training):
    """Training whose results are averaged; BatchNorm's statistics and whole stages may stay where the patients are."""

    needs: ClassVar[tuple[str, ...]] = ()  # what the mixing matrix must be, such as doubly_stochastic

    batch_norm: Literal["average", "local"] = Field("average", description="BatchNorm statistics: averaged, or kept")
    personal: tuple[str, ...] = Field((), description="stages that never leave their institution, such as the last one")

    def requirements(self) -> tuple[str, ...]:
        """What the mixing matrix must be with these arguments, in the words of `needs`."""
        return self.needs

    def shared(self, part: Segment) -> Shared:
        """What crosses: parameters, and BatchNorm's rows unless they stay local; without the personal stages."""
        kinds = all_of(part).kinds if self.batch_norm == "average" else ("params",)
        return Shared(kinds, _spans(part, kinds, self.personal) if self.personal else None)

    def check_stages(self, names: Sequence[str]) -> None:
        """Raises InputError for a personal stage that the model does not have, and where nothing is left to share."""
        for name in self.personal:
            if name not in names:
                near = difflib.get_close_matches(name, names, n=1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise InputError(f"personal: the model has no stage {name!r}{hint}; stages: {', '.join(names)}")
        if set(self.personal) == set(names):
            raise InputError("personal: every stage would stay at home, so nothing is shared; use baseline/local")


def all_of(part: Segment) -> Shared:
    """All rows that a part of a model has."""
    return Shared(("params", "buffers", "counters") if part.buffers.size else ("params",))


def statistics_of(part: Segment) -> Shared:
    """BatchNorm's rows alone."""
    return Shared(all_of(part).kinds[1:])


def exchange(verb: Verb, source: Located, into: Located, group: Group, shared: Shared) -> Located:
    """The weights `into` of a group's members, with those rows, or parts of them, that `verb` brought from `source`."""
    kinds = shared.kinds
    rows = [
        verb(
            source[kind].map(lambda row, kind=kind: shared.pick(kind, row)),
            "weights" if kind == "params" else "buffers",
        )
        for kind in kinds
    ]

    def put(mine: dict, *new: torch.Tensor) -> dict:
        return {**mine, **{kind: shared.put(kind, mine[kind], row) for kind, row in zip(kinds, new, strict=True)}}

    return group.map(put, into, *rows)


def exchange_beside(verb: Verb, rows: Located, group: Group, shared: Shared) -> Located:
    """Rows [d] that belong to the parameters (trackers, moments), exchanged where those are, as optimizer_state."""
    held = rows.map(lambda row: {"params": row})
    params = Shared(("params",), shared.spans)
    return exchange(lambda values, _: verb(values, "optimizer_state"), held, held, group, params)["params"]


def _spans(part: Segment, kinds: Sequence[str], personal: Sequence[str]) -> dict[str, tuple[tuple[int, int], ...]]:
    """The stretches of each kind of row that belong to no personal stage."""
    found = {}
    for kind in kinds:
        slots = [slot for slot in getattr(part, kind).slots if slot.name.split(".")[0] not in personal]
        found[kind] = tuple((slot.offset, slot.offset + slot.size) for slot in slots)
    return found


def shares(weights: Literal["samples", "equal"], sizes: Sequence[int]) -> list[float]:
    """What each institution counts for in a mean, summing to 1: N_i / N, or 1 / n; 1 / n too where nobody has any."""
    counts = list(sizes) if weights == "samples" and any(sizes) else [1] * len(sizes)
    return [count / sum(counts) for count in counts]
