"""SplitFed learning, version 2."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["SplitfedV2"]


class SplitfedV2(Horizontal):
    """SplitFed v2: one server part, institutions served in random order; the bottoms are averaged each round.

    The server's part trains on all institutions in turn, the bottoms on their own shard alone.

    Reference: Thapa et al., SplitFed: when federated learning meets split learning, AAAI 2022.
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["random", "by_institution", "reverse", "interleaved"] = "random"
    institution_weights: Literal["averaged_each_epoch"] = "averaged_each_epoch"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
    optimizer_state: Literal["keep", "reset", "average"] = Field("keep", description="of the bottoms at a new round")
