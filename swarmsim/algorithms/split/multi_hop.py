"""Multi-hop split learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split._chain import Stages
from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["MultiHop"]


class MultiHop(Horizontal):
    """Multi-hop split learning: a chain of owners, each of whom sees its two neighbours only.

    `stages` says who holds which: hospitals the first stages, then any servers or single institutions ("Tor-like"), the
    last of which has the labels, or the hospitals themselves. Smashed data go from owner to owner, cut gradients
    back: D samples move 2 D S_c at every cut c. The numbers are those of vanilla split learning with the same bottom.

    Reference: Vepakomma et al., Split learning for health, 2018 (arXiv:1812.00564), extended vanilla and multi-hop.
    """

    cut: None = Field(None, description="stages say it")
    stages: tuple[Stages, ...] = Field(min_length=2, description="every part of the chain with its owner")
    copies: Literal["one"] = "one"
    serving: Literal["by_institution", "reverse", "random", "interleaved"] = "by_institution"
    institution_weights: Literal["handed_over", "handed_over_via_server"] = "handed_over"
