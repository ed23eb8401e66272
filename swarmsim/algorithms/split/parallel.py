"""Parallel split learning."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from swarmsim.algorithms.split.horizontal import Horizontal

__all__ = ["Parallel"]


class Parallel(Horizontal):
    """Parallel split learning: all institutions' batches pass the server as one; bottoms are averaged or private.

    The server's loss is the mean over the N examples of the joint batch. `cut_gradient: own` multiplies institution k's
    gradient by N / n_k, to that of the mean over its own n_k examples: with bottoms averaged after each batch (by
    samples) every step is then SGD on the joint batch; `joint` leaves bottoms n_k / N as fast.

    Reference: Jeon and Kim, Privacy-sensitive parallel split learning, ICOIN 2020.
    """

    cut: int | str = Field(description="stages before the cut, or the name of the first stage behind it")
    stages: None = Field(None, description="one cut, no other chain")
    copies: Literal["one"] = "one"
    serving: Literal["concatenated"] = "concatenated"
    institution_weights: Literal["averaged_each_batch", "averaged_each_epoch", "private"] = "averaged_each_batch"
    heads: Literal["as_bottoms"] = "as_bottoms"
    labels: Literal["server"] = "server"
