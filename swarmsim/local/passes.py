"""Forward and backward passes of a part of a model: what a split step and an unsplit one are made of.

Shapes: B examples of a batch, d parameters of the part; with m institutions packed, all gain a leading m.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from swarmsim.lazy import torch
from swarmsim.rows import Segment, Weights

__all__ = ["Pass", "forward", "forward_on", "gradient"]


@dataclass(frozen=True)
class Pass:
    """A forward pass that waits for its gradient: the output, and what it was computed from."""

    output: torch.Tensor
    params: torch.Tensor
    x: torch.Tensor
    after: Weights  # the weights after the pass: BatchNorm's statistics have moved

    def backward(self, output_gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """(gradient of the parameters [d], of the input [B, ...] or None) for a gradient of the output [B, ...]."""
        return self._gradients(self.output, output_gradient)

    def backward_from(self, loss: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """The same for a loss [] computed from `output`."""
        return self._gradients(loss, None)

    def _gradients(self, value: torch.Tensor, output_gradient: torch.Tensor | None) -> tuple:
        wanted = [self.params, self.x] if self.x.requires_grad else [self.params]
        gradients = torch.autograd.grad(value, wanted, output_gradient)
        return gradients[0], gradients[1] if len(gradients) > 1 else None


def forward(segment: Segment, weights: Weights, x: torch.Tensor, seed: tuple | None, differentiate_x: bool) -> Pass:
    """A training pass of one institution's part, cut off from where x came from; remembered for the way back."""
    x = x.detach().requires_grad_() if differentiate_x else x.detach()
    return forward_on(segment, weights, x, seed)


def forward_on(segment: Segment, weights: Weights, x: torch.Tensor, seed: tuple | None) -> Pass:
    """The same on an x whose own graph goes on backwards: two parts joined without a cut."""
    params = weights["params"].detach().requires_grad_()
    output, after = segment.forward({**weights, "params": params}, x, train=True, seed=seed)
    return Pass(output, params, x, {**after, "params": weights["params"]})


def gradient(
    segment: Segment, loss: Callable, weights: Weights, x: torch.Tensor, y: torch.Tensor, seed: tuple | None
) -> tuple[torch.Tensor, torch.Tensor, Weights]:
    """(gradient [d], loss [1], weights after the pass) of a whole model on one batch.

    With packed institutions (params [m, d]) the losses are summed before differentiating: institution i's loss
    depends on row i alone, so the gradient of the sum is the stack of the m gradients.
    """
    if weights["params"].dim() == 1:
        here = forward(segment, weights, x, seed, differentiate_x=False)
        value = loss(here.output, y)
        return here.backward_from(value)[0], value.detach().reshape(1), here.after
    params = weights["params"].detach().requires_grad_()

    def one(params: torch.Tensor, buffers: torch.Tensor, counters: torch.Tensor, x: torch.Tensor, y: torch.Tensor):
        packed = {"params": params, "buffers": buffers, "counters": counters}
        output, after = segment.forward(packed, x, train=True, packed=True)
        return loss(output, y), after["buffers"], after["counters"]

    values, buffers, counters = torch.vmap(one)(params, weights["buffers"], weights["counters"], x, y)
    (grad,) = torch.autograd.grad(values.sum(), params)
    return grad, values.detach().unsqueeze(-1), {**weights, "buffers": buffers.detach(), "counters": counters}
