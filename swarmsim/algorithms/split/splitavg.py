"""SplitAVG."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["Splitavg"]


class Splitavg(Horizontal):
    """SplitAVG: the server concatenates all feature maps and splits the gradient back; bottoms are private.

    The top steps along the gradient of the mean loss over the joint batch, an unbiased sample of all institutions;
    bottom k along its slice of the cut gradient. Nothing is averaged: the name is that of its authors.

    Reference: Zhang et al., SplitAVG: a heterogeneity-aware federated deep learning method for medical imaging,
    IEEE J. Biomedical and Health Informatics 2022 (arXiv:2107.02375).
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["concatenated"] = "concatenated"
    institution_weights: Literal["private"] = "private"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
