"""Vanilla split learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["Vanilla"]


class Vanilla(Horizontal):
    """Vanilla split learning: institutions take turns; the bottom is handed over, labels go to the server.

    The axes are pinned to one server copy, labels at the server and handed-over weights, straight from institution to
    institution (W_c bytes a turn) or by way of the server (2 W_c); the twin is cyclical weight transfer of the unsplit
    network.

    Reference: Gupta and Raskar, Distributed learning of deep neural network over multiple agents, JNCA 2018
    (peer-to-peer and centralised mode).
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["by_institution", "reverse", "random", "interleaved"] = "by_institution"
    institution_weights: Literal["handed_over", "handed_over_via_server"] = "handed_over"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
