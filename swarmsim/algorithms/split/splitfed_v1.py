"""SplitFed learning, version 1."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["SplitfedV1"]


class SplitfedV1(Horizontal):
    """SplitFed v1: a server copy for every institution, all in parallel; copies and bottoms are averaged each round.

    It is federated averaging of the unsplit network, cut for the institutions' sake; with one institution it is
    vanilla split learning. K institutions with bottoms of W_c bytes move 2 D S + 2 K W_c a round of D samples.

    Reference: Thapa et al., SplitFed: when federated learning meets split learning, AAAI 2022.
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["per_institution"] = "per_institution"
    serving: Literal["interleaved"] = "interleaved"
    institution_weights: Literal["averaged_each_epoch"] = "averaged_each_epoch"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
    optimizer_state: Literal["keep", "reset", "average"] = Field("reset", description="of every part at a new round")
