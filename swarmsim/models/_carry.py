"""Skip connections that travel: several maps as one tensor, so that a network with skips is a chain of stages.

Between two stages of such a network stands one tensor [B, S]: the maps that a later stage still reads, in the order
in which they were made, flattened and side by side; the last of them is the current one. Whoever cuts the chain there
sends the skips too, and their bytes are counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from swarmsim.lazy import torch

__all__ = ["down_and_up", "pack", "unpack"]

Shape = tuple[int, ...]
Stages = list[tuple[str, Any]]  # names and modules, as `rows.build` takes them


def pack(maps: Sequence[torch.Tensor]) -> torch.Tensor:
    """Maps [B, ...] side by side, [B, S]."""
    return torch.cat([each.flatten(1) for each in maps], 1)


def unpack(carried: torch.Tensor, shapes: Sequence[Shape]) -> list[torch.Tensor]:
    """The inverse of `pack`, for maps of these shapes (of one example each)."""
    pieces = carried.split([math.prod(shape) for shape in shapes], 1)
    return [piece.reshape(len(carried), *shape) for piece, shape in zip(pieces, shapes, strict=True)]


def down_and_up(
    downs: Sequence[torch.nn.Module],
    ups: Sequence[tuple[torch.nn.Module, torch.nn.Module]],
    shapes: Sequence[Shape],
    below: Sequence[Shape],
) -> Stages:
    """The stages down1, ..., downL, up(L-1), ..., up1 of a network that skips from each way down to its way up.

    d_k = down_k(d_{k-1}); u_k = work_k(d_k and rise_k(u_{k+1}) as channels of one map), where `ups` holds the pairs
    (rise, work) of levels 1, ..., L-1 and u_L is d_L. down1 takes images; all stages give [B, S]. shapes: of d_1, ...,
    d_L; below: of u_2, ..., u_L, for one example each.
    """
    stages: Stages = [("down1", torch.nn.Sequential(downs[0], torch.nn.Flatten()))]
    stages += [(f"down{k + 1}", _descending(downs[k], shapes[:k])) for k in range(1, len(downs))]
    for k in reversed(range(len(ups))):
        stages.append((f"up{k + 1}", _ascending(*ups[k], [*shapes[: k + 1], below[k]])))
    return stages


def _descending(work: torch.nn.Module, arriving: Sequence[Shape]) -> torch.nn.Module:
    """The stage x_1, ..., x_k -> x_1, ..., x_k, work(x_k)."""

    class Descending(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.work = work

        def forward(self, carried: torch.Tensor) -> torch.Tensor:
            maps = unpack(carried, arriving)
            return pack([*maps, self.work(maps[-1])])

    return Descending()


def _ascending(rise: torch.nn.Module, work: torch.nn.Module, arriving: Sequence[Shape]) -> torch.nn.Module:
    """The stage x_1, ..., x_k -> x_1, ..., x_{k-2}, work(x_{k-1} and rise(x_k) as channels of one map)."""

    class Ascending(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rise, self.work = rise, work

        def forward(self, carried: torch.Tensor) -> torch.Tensor:
            *kept, skip, lower = unpack(carried, arriving)
            return pack([*kept, self.work(torch.cat([skip, self.rise(lower)], 1))])

    return Ascending()
