"""U-shaped split learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["UShaped"]


class UShaped(Horizontal):
    """U-shaped split learning: institutions hold bottom and head, the server the trunk; no label leaves its hospital.

    Two cuts: bottom [:a], trunk [a:b], head [b:]. A batch moves four tensors: smashed data there and back, cut
    gradients there and back. Bottom and head are handed over; the numbers are those of vanilla split learning.

    Reference: Vepakomma et al., Split learning for health, 2018 (arXiv:1812.00564).
    """

    cut: tuple[int | str, int | str] = Field(description="[a, b]: bottom before a, trunk between, head from b on")
    stages: None = Field(None, description="two cuts, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["by_institution", "reverse", "random", "interleaved"] = "by_institution"
    institution_weights: Literal["handed_over", "handed_over_via_server"] = "handed_over"
    labels: Literal["institution"] = "institution"
