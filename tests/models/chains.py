"""What the tests of models that can be cut anywhere share: a chain against a plain module, and its parts against it."""

from __future__ import annotations

import torch

from swarmsim.local.passes import forward, gradient
from swarmsim.rows import Network
from swarmsim.trees import settled

__all__ = ["draw", "same_as", "taken_apart"]


def draw(*shape: int, seed: int = 3) -> torch.Tensor:
    torch.manual_seed(seed)
    return torch.randn(*shape, dtype=torch.float64)


def same_as(plain: torch.nn.Module, stages: list, x: torch.Tensor) -> None:
    """The chain gives the output of `plain`, and the gradients of its parameters (equally ordered) and of the input."""
    x, mine = x.clone().requires_grad_(), torch.nn.Sequential(*(module for _, module in stages))
    found, expected = mine(x), plain(x)
    assert found.shape == expected.shape
    assert torch.allclose(found, expected, rtol=0, atol=1e-12)
    ahead = draw(*expected.shape, seed=4)
    sides = [
        torch.autograd.grad(output, [x, *module.parameters()], ahead)
        for output, module in ((found, mine), (expected, plain))
    ]
    for ours, theirs in zip(*sides, strict=True):
        assert torch.allclose(ours, theirs, rtol=0, atol=1e-12 * max(1.0, float(theirs.abs().max())))
        assert ours.abs().max() > 0


def taken_apart(network: Network, cut: int, x: torch.Tensor, y: torch.Tensor, loss) -> torch.Tensor:
    """Both parts of the network on either side of a cut, against the whole: the same bits. Returns what crossed."""
    front, back = network.segment(0, cut), network.segment(cut, len(network.names))
    expected, value, after = gradient(network, loss, network.initial(), x, y, None)
    bottom = forward(front, front.initial(), x, None, differentiate_x=False)
    top = forward(back, back.initial(), settled(bottom.output), None, differentiate_x=True)
    lost = loss(top.output, y)
    top_row, cut_gradient = top.backward_from(lost)
    bottom_row, _ = bottom.backward(settled(cut_gradient))
    assert torch.equal(lost.detach().reshape(1), value)
    assert torch.equal(torch.cat([bottom_row, top_row]), expected)
    assert torch.equal(torch.cat([bottom.after["buffers"], top.after["buffers"]]), after["buffers"])
    return bottom.output.detach()
