"""A model whose stages take their time: what arrives first differs from run to run and from host to host."""

from __future__ import annotations

import random
import time

import torch
from pydantic import Field

from swarmsim.models.mlp import Mlp
from swarmsim.models.multimodal import Multimodal

__all__ = ["SlowMlp", "SlowMultimodal"]

WAIT = Field(0.002, description="longest wait of a pass, in seconds")


class SlowMlp(Mlp):
    """A perceptron that sleeps a few random milliseconds in every pass of a stage, forth and back."""

    late: float = WAIT

    def stages(self, example, outputs):
        return _slowed(super().stages(example, outputs), self.late)


class SlowMultimodal(Multimodal):
    """The same for vertical data."""

    late: float = WAIT

    def stages(self, example, outputs):
        return _slowed(super().stages(example, outputs), self.late)


class Sleep(torch.nn.Module):
    """The identity, late. Its random numbers are the operating system's: no seed decides them."""

    def __init__(self, late: float) -> None:
        super().__init__()
        self.late = late

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(random.SystemRandom().random() * self.late)
        if x.requires_grad:
            x.register_hook(lambda gradient: time.sleep(random.SystemRandom().random() * self.late))
        return x


def _slowed(stages: list, late: float) -> list:
    return [(name, torch.nn.Sequential(Sleep(late), module)) for name, module in stages]
