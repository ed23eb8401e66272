"""One institution trains alone: several steps of an optimiser over its own batches."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from swarmsim.lazy import torch
from swarmsim.local.batches import plan
from swarmsim.local.clipping import clip_factor, square
from swarmsim.local.optimizer import AdamW, Sgd
from swarmsim.local.passes import gradient
from swarmsim.local.training import Training
from swarmsim.rng import stream
from swarmsim.rows import Network, Segment

__all__ = ["Learner", "Member", "take"]

Member = dict[str, Any]  # {"weights": Weights, "optimizer": State}
Examples = tuple[Any, Any]  # tensors (x, y)


@dataclass(frozen=True)
class Learner:
    """The model, the task's loss and the training arguments, bound together for one run.

    `rates` holds the learning rate of each round, `seed` is the run's.
    """

    network: Network
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    training: Training
    rule: Sgd | AdamW
    rates: Sequence[float]
    seed: int

    def start(self, segment: Segment | None = None) -> Member:
        """Initial weights of the model (or of a part of it), and an optimiser that has not stepped."""
        weights = (segment or self.network).initial()
        return {"weights": weights, "optimizer": self.rule.start(weights["params"])}

    def batches(self, institution: int, size: int, t: int, steps: int | None = None) -> list[torch.Tensor]:
        """The batches (indices into the shard) that an institution takes in round t; `steps` of them if given."""
        rng, training = stream(self.seed, "batches", t, institution), self.training
        epochs = training.local_epochs if steps is None else None
        drawn = plan(size, training.batch, steps or training.local_steps, epochs, rng)
        return [torch.from_numpy(index) for index in drawn]

    def count(self, size: int) -> int:
        """How many batches an institution with `size` examples takes in a round."""
        return self.training.count(size)

    def batch_size(self, size: int, k: int) -> int:
        """How many examples the k-th of them has: the last of an epoch may be ragged."""
        batch = self.training.batch or size
        return min(batch, size - k % -(-size // batch) * batch)

    def address(self, institution: int, t: int) -> tuple | None:
        """Where the random numbers of an institution's round come from; None for a model that draws none."""
        return (self.seed, "dropout", t, institution) if self.network.stochastic else None

    def train(self, member: Member, examples: Examples, batches: list[torch.Tensor], address: tuple | None, t: int):
        """The member after one optimiser step for each batch, and the mean training loss [1] (None if no batch).

        x_{k+1} = step(x_k, grad loss(x_k; batch_k)); batches weigh by their size in the reported loss.
        """
        weights, state, losses, sizes = member["weights"], member["optimizer"], [], []
        for step, index in enumerate(batches):
            x, y = take(examples[0], index), take(examples[1], index)
            seed = (*address, step) if address else None
            grad, value, weights = gradient(self.network, self.loss, weights, x, y, seed)
            grad = self._clipped(grad)
            params, state = self.rule.step(weights["params"], grad, state, self.rates[t])
            weights = {**weights, "params": params}
            losses.append(value)
            sizes.append(index.shape[-1])
        loss = sum(size * value for size, value in zip(sizes, losses, strict=True)) / sum(sizes) if sizes else None
        return {"weights": weights, "optimizer": state}, loss

    def slope(self, weights: dict, examples: Examples, batches: list[torch.Tensor], address: tuple | None):
        """((gradient [d], weights with moved statistics), mean training loss [1]) at fixed parameters.

        g = sum_k (B_k / sum B) grad loss(x; batch_k), clipped, plus weight decay times x. Without a batch g is 0.
        """
        params, total, losses = weights["params"], torch.zeros_like(weights["params"]), []
        count = sum(index.shape[-1] for index in batches)
        for step, index in enumerate(batches):
            x, y = take(examples[0], index), take(examples[1], index)
            seed = (*address, step) if address else None
            grad, value, weights = gradient(self.network, self.loss, weights, x, y, seed)
            total = total + grad * (index.shape[-1] / count)
            losses.append(value * (index.shape[-1] / count))
        total = self._clipped(total) + self.training.weight_decay * params if batches else total
        return (total, weights), sum(losses[1:], losses[0]) if losses else None

    def _clipped(self, grad: torch.Tensor) -> torch.Tensor:
        """The gradient [..., d], each row's norm at most `clip` (as torch.nn.utils.clip_grad_norm_ does it)."""
        if self.training.clip is None:
            return grad
        return grad * clip_factor([square(grad)], self.training.clip)


def take(values: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
    """Rows of one institution's values [N, ...] by index [B], or of m packed ones' [m, N, ...] by index [m, B]."""
    if index.dim() == 1:
        return values[index]
    return values[torch.arange(len(index)).unsqueeze(1), index]
