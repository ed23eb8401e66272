"""Rows of several institutions, merged at one of them: by their mean, or by a robust rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from swarmsim.lazy import torch
from swarmsim.network.located import Group, Located

if TYPE_CHECKING:
    from swarmsim.network.net import Net

__all__ = ["merged_at", "merged_rows"]


def merged_at(
    net: Net, rule: Any, values: Located, shares: Sequence[float], src: Group, dst: Group, at: int, kind: str
) -> Located:
    """One row at member `at` of `dst` out of those of `src`: sum_i shares_i x_i, or what the rule makes of them.

    The rule's centre is the own row of `at`, where it has one.
    """
    if rule is None:
        return net.average(values, shares, src, dst, at, kind)
    rows, own = net.gather(values, src, dst, at, kind), values.values if src.kind == dst.kind else {}
    return Located({j: merged_rows(rule, list(held), shares, own.get(j)) for j, held in rows.values.items()})


def merged_rows(rule: Any, rows: list[torch.Tensor], shares: Sequence[float], centre: torch.Tensor | None):
    """Rows [d] merged into one [d]; counters, which no rule averages, are the first one's."""
    if not rows[0].is_floating_point():
        return rows[0]
    return rule.merge(torch.stack(rows), torch.tensor(shares, dtype=rows[0].dtype, device=rows[0].device), centre)
