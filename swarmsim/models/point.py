"""The model that is its own output: for objectives with a closed form."""

from __future__ import annotations

from swarmsim.lazy import torch
from swarmsim.types import Arguments

__all__ = ["Point"]


class Point(Arguments):
    """A free vector x, 0 at the start, whatever the input: the variable of an optimisation problem.

    The one stage `point` maps [B, ...] to B copies of x [outputs]. With the `quadratic` task institution i
    minimises |x - a_i|^2 / 2, whose fixed points under every method are known in closed form.

    Reference: the usual test problem of decentralised optimisation; see tests/oracles.
    """

    def stages(self, example: tuple[int, ...], outputs: int) -> list[tuple[str, torch.nn.Module]]:
        """One stage with one parameter tensor [outputs]."""

        class Constant(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.x = torch.nn.Parameter(torch.zeros(outputs))

            def forward(self, inputs: torch.Tensor) -> torch.Tensor:
                return self.x.expand(len(inputs), outputs)

        return [("point", Constant())]
