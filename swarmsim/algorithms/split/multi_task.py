"""Multi-task split learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["MultiTask"]


class MultiTask(Horizontal):
    """Multi-task split learning: institutions predict different things with their own heads, on a trunk that all share.

    Labels and heads never leave; the trunk learns from everybody's cut gradients. Bottoms are averaged, handed over or
    private as `institution_weights` says. The data may give every institution a target of its own.

    Reference: Vepakomma et al., Split learning for health, 2018 (arXiv:1812.00564), multi-task configuration.
    """

    cut: tuple[int | str, int | str] = Field(description="[a, b]: bottom before a, trunk between, head from b on")
    stages: None = Field(None, description="two cuts, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["interleaved", "concatenated", "by_institution", "reverse", "random"] = "interleaved"
    institution_weights: Literal["averaged_each_batch", "averaged_each_epoch", "handed_over", "private"] = (
        "averaged_each_epoch"
    )
    heads: Literal["private"] = "private"
    labels: Literal["institution"] = "institution"
