"""What the holders of parts of one model do with a batch: the steps between two messages of split learning.

Shapes: z [B, ...] smashed data (the bottom's output), u [B, ...] the trunk's output, B examples of one or more
institutions one after another. Gradients of z and u are called cut gradients.
"""

from __future__ import annotations

from typing import Any

from swarmsim.lazy import torch
from swarmsim.local.learner import Learner, Member
from swarmsim.local.passes import Pass, forward
from swarmsim.rows import Segment

__all__ = ["compose", "serve", "step", "trunk_backward", "trunk_forward"]


def step(learner: Learner, member: Member, here: Pass, gradient: torch.Tensor, t: int) -> Member:
    """The member after one optimiser step along `gradient` [d], with the statistics its forward pass moved."""
    params, state = learner.rule.step(member["weights"]["params"], gradient, member["optimizer"], learner.rates[t])
    return {"weights": {**here.after, "params": params}, "optimizer": state}


def serve(
    learner: Learner, segment: Segment, member: Member, z: list[torch.Tensor], y: list[torch.Tensor], seed, t: int
) -> tuple[Member, list[torch.Tensor], list[torch.Tensor]]:
    """The top's step where the labels are: (member, cut gradients, mean losses), a list item an institution.

    The loss is the mean over the whole batch of all institutions, so an institution's cut gradient is that of this
    mean; the losses returned are each institution's own.
    """
    here = forward(segment, member["weights"], torch.cat(z), seed, differentiate_x=True)
    labels, sizes = torch.cat(y), [len(part) for part in y]
    gradient, cut_gradient = here.backward_from(learner.loss(here.output, labels))
    outputs = here.output.detach().split(sizes)
    losses = [learner.loss(output, label).reshape(1) for output, label in zip(outputs, y, strict=True)]
    return step(learner, member, here, gradient, t), list(cut_gradient.split(sizes)), losses


def trunk_forward(segment: Segment, member: Member, z: list[torch.Tensor], seed) -> tuple[Pass, list[torch.Tensor]]:
    """The trunk's pass for batches z, and its outputs, a list item an institution."""
    here = forward(segment, member["weights"], torch.cat(z), seed, differentiate_x=True)
    return here, list(here.output.detach().split([len(part) for part in z]))


def trunk_backward(
    learner: Learner, member: Member, here: Pass, gradients: list[torch.Tensor], t: int
) -> tuple[Member, list[torch.Tensor]]:
    """The trunk's step for the gradients of its outputs, and the cut gradients of its inputs."""
    gradient, cut_gradient = here.backward(torch.cat(gradients))
    return step(learner, member, here, gradient, t), list(cut_gradient.split([len(part) for part in gradients]))


def compose(parts: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """The rows of a whole model from the rows of its consecutive parts."""
    return {kind: torch.cat([part[kind] for part in parts]) for kind in parts[0]}
