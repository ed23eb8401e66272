"""Split learning with private bottoms."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["Private"]


class Private(Horizontal):
    """Private split learning (P-SL): one server part serves everybody, and no bottom ever leaves its institution.

    As vanilla without any hand-over: institutions share nothing but the server's part, and a bottom learns from its own
    patients alone. D samples of S bytes move 2 D S a round, and the labels.

    Reference: Pham et al., Split learning without local weight sharing to enhance client-side data privacy, 2022
    (arXiv:2212.00250).
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["by_institution", "reverse", "random", "interleaved"] = "by_institution"
    institution_weights: Literal["private"] = "private"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
