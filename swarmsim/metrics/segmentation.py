"""Scores of a segmentation on one test set, from its logits."""

from __future__ import annotations

import numpy as np

__all__ = ["scores"]


def scores(logits: np.ndarray, targets: np.ndarray) -> dict[str, float]:
    """Loss, Dice coefficient and intersection over union (iou).

    loss = -(1 / mHW) sum (y log p + (1 - y) log(1 - p)) with p = sigmoid(z), whatever training minimised. With the
    found foreground P = {z > 0} and the mask M of an image, dice = 2 |P n M| / (|P| + |M|) and iou = |P n M| / |P u M|,
    each the mean over the images whose mask is not empty; where all are empty they are left out. All is left out
    when the set is empty or a logit is not finite.

    Shapes: logits [m, 1, H, W], targets [m, 1, H, W] of 0 and 1.
    Reference: Dice, Measures of the amount of ecologic association between species, Ecology 1945; Jaccard, The
    distribution of the flora in the alpine zone, New Phytologist 1912.
    """
    z, y = np.asarray(logits, dtype=np.float64), np.asarray(targets)
    if not len(y) or not np.isfinite(z).all():
        return {}
    found = {"loss": float((np.logaddexp(0, z) - y * z).mean())}
    pixels = (1, 2, 3)
    sick = (y > 0).any(pixels)
    if sick.any():
        mask, hit = y[sick] > 0, z[sick] > 0
        both, sizes = (mask & hit).sum(pixels), mask.sum(pixels) + hit.sum(pixels)
        found |= {"dice": float((2 * both / sizes).mean()), "iou": float((both / (sizes - both)).mean())}
    return found
