"""BatchNorm's statistics, computed again from examples."""

from __future__ import annotations

from swarmsim.lazy import torch
from swarmsim.rows import Segment, Weights
from swarmsim.trees import settled

__all__ = ["recalibrated"]


def recalibrated(segment: Segment, weights: Weights, x: torch.Tensor, batch: int | None) -> Weights:
    """The weights with the statistics that training passes over x [N, ...] would leave, if all counted alike.

    Each running mean and variance becomes the plain mean of those of the batches (torch's BatchNorm with
    `momentum=None`), layer by layer with the new statistics of the batch; dropout is off. A trailing batch of one
    example has no variance and is left out. Without BatchNorm, or without examples, the weights are as they were.

    Reference: Izmailov et al., Averaging weights leads to wider optima, UAI 2018 (section 3.2, batch normalization).
    """
    if not segment.buffers.size or len(x) < 2:
        return weights
    layers = [
        part
        for _, module in segment.stages
        for part in module.modules()
        if isinstance(part, torch.nn.modules.batchnorm._BatchNorm)
    ]
    momenta, after = [layer.momentum for layer in layers], {kind: row.clone() for kind, row in weights.items()}
    segment.bind(after, train=False)
    for layer in layers:
        layer.train()
        layer.momentum = None
        layer.reset_running_stats()
    with torch.no_grad():
        for piece in x.split(batch or len(x)):
            if len(piece) > 1:
                value = settled(piece)
                for _, module in segment.stages:
                    value = module(value)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum
    return after
