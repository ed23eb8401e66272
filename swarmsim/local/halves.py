"""What the holder of a part of a model does with its gradient, and how parts make a whole again."""

from __future__ import annotations

from typing import Any

from swarmsim.lazy import torch
from swarmsim.local.learner import Learner, Member

__all__ = ["compose", "step"]


def step(learner: Learner, member: Member, gradient: torch.Tensor, rate: float) -> Member:
    """The member after one optimiser step along `gradient` [d]; its statistics stay as they are."""
    params, state = learner.rule.step(member["weights"]["params"], gradient, member["optimizer"], rate)
    return {"weights": {**member["weights"], "params": params}, "optimizer": state}


def compose(parts: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """The rows of a whole model from the rows of its consecutive parts."""
    return {kind: torch.cat([part[kind] for part in parts]) for kind in parts[0]}
