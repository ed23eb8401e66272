"""SplitFed learning, version 3."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["SplitfedV3"]


class SplitfedV3(Horizontal):
    """SplitFed v3: a server copy for every institution, averaged each round; every bottom stays where it is.

    As version 1 without the 2 K W_c bytes of bottoms: an institution's model is its own bottom and the common top.

    Reference: Gawali et al., Comparison of privacy-preserving distributed deep learning methods in healthcare, MIUA
    2021 (arXiv:2012.12591).
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["per_institution"] = "per_institution"
    serving: Literal["interleaved"] = "interleaved"
    institution_weights: Literal["private"] = "private"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
    optimizer_state: Literal["keep", "reset", "average"] = Field(
        "keep", description="at a new round; average: of the server's copies"
    )
