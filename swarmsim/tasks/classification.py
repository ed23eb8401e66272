"""Classification, binary or multi-class."""

from __future__ import annotations

from typing import ClassVar

from swarmsim.lazy import torch
from swarmsim.types import Arguments, Federation, InputError

__all__ = ["Classification"]


class Classification(Arguments):
    """Classification: mean cross-entropy of the logits; binary is the case of two classes.

    loss = -(1/B) sum_b log softmax(z_b)[y_b], with logits z [B, classes] and class indices y [B].

    Reference: Bishop, Pattern Recognition and Machine Learning, 2006, section 4.3.4.
    """

    scored_by: ClassVar[str] = "classification"

    def outputs(self, federation: Federation) -> int:
        """One logit a class."""
        if not federation.classes:
            raise InputError(
                "task classification: the data has no classes (its targets are numbers or masks); use regression or "
                "segmentation"
            )
        return len(federation.classes)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Mean over the batch: [B, classes], [B] -> []."""
        return torch.nn.functional.cross_entropy(outputs, targets)
