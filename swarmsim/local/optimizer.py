"""torch's optimisers as pure functions of rows.

torch updates lists of tensors in place; here a step takes rows and returns new ones, so that an optimiser's
state is a value that can be handed over, averaged, saved and given back. Both optimisers act on each number of
a row alone, so a flat row, its parts, and many institutions' rows at once give the same bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from swarmsim.lazy import torch

__all__ = ["AdamW", "Sgd"]

State = dict[str, Any]


@dataclass(frozen=True)
class Sgd:
    """v <- m v + (g + w x);  x <- x - lr v, with momentum m and weight decay w (torch.optim.SGD)."""

    momentum: float = 0.0
    weight_decay: float = 0.0

    def start(self, params: torch.Tensor) -> State:
        """The state before the first step: empty without momentum, else v = 0 [..., d]."""
        return {"momentum": torch.zeros_like(params)} if self.momentum else {}

    def step(self, params: torch.Tensor, grad: torch.Tensor, state: State, lr: float) -> tuple[torch.Tensor, State]:
        """One update of params [..., d] along grad [..., d]; the inputs are left as they are."""
        from torch.optim.sgd import sgd

        params, after = params.clone(), {key: value.clone() for key, value in state.items()}
        sgd(
            [params], [grad], [after.get("momentum")], foreach=False, has_sparse_grad=False, lr=lr, dampening=0.0,
            momentum=self.momentum, weight_decay=self.weight_decay, nesterov=False, maximize=False,
        )  # fmt: skip
        return params, after


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled weight decay (torch.optim.AdamW with its default betas and epsilon)."""

    weight_decay: float = 0.01

    def start(self, params: torch.Tensor) -> State:
        """The state before the first step: moments 0 [..., d] and the step counter 0 [..., 1]."""
        count = torch.zeros((*params.shape[:-1], 1), dtype=torch.float32)
        return {"mean": torch.zeros_like(params), "square": torch.zeros_like(params), "step": count}

    def step(self, params: torch.Tensor, grad: torch.Tensor, state: State, lr: float) -> tuple[torch.Tensor, State]:
        """One update of params [..., d] along grad [..., d]; the inputs are left as they are."""
        from torch.optim.adamw import adamw

        params, after = params.clone(), {key: value.clone() for key, value in state.items()}
        rows = [tensor.view(-1, tensor.shape[-1]).unbind(0) for tensor in (params, after["mean"], after["square"])]
        grads, steps = grad.view(-1, grad.shape[-1]).unbind(0), after["step"].view(-1).unbind(0)
        adamw(
            list(rows[0]), list(grads), list(rows[1]), list(rows[2]), [], list(steps), foreach=False, amsgrad=False,
            beta1=0.9, beta2=0.999, lr=lr, weight_decay=self.weight_decay, eps=1e-8, maximize=False,
        )  # fmt: skip
        return params, after
