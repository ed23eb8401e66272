"""From the outputs of models on their test sets to lines of metrics.csv."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from swarmsim.metrics import classification, objective, regression, segmentation
from swarmsim.types import Federation, Part, Score

__all__ = ["measure", "measured"]

RULES = {
    "classification": classification.scores,
    "regression": regression.scores,
    "segmentation": segmentation.scores,
    "objective": objective.scores,
}


def measure(
    predictions: Mapping[tuple[str, int, str], np.ndarray],
    distances: Mapping[int, float],
    federation: Federation,
    scored_by: str,
) -> tuple[Score, ...]:
    """Scores of every model on every split it was tried on, sorted; and the consensus distance where there is one.

    predictions: (model, institution, split) -> outputs [m, ...]; distances: squared distance of each institution's
    parameters from their mean. consensus distance = sqrt((1/n) sum_i |x_i - mean|^2).
    """
    parts, rule, found = _targets(federation), RULES[scored_by], []
    for (model, i, split), outputs in sorted(
        predictions.items(), key=lambda item: (item[0][2], item[0][0], item[0][1])
    ):
        shared = split in ("pooled", "external")
        name = "all" if model == "merged" and shared else federation.names[i]
        values = rule(outputs, parts[split if shared else (split, i)])
        found += [measured(split, name, model, metric, value) for metric, value in values.items()]
    if distances:
        mean = math.fsum(distances[i] for i in sorted(distances)) / len(distances)
        found.append(measured("swarm", "all", "all", "consensus_distance", math.sqrt(mean)))
    return tuple(found)


def measured(split: str, institution: str, model: str, metric: str, value: float) -> Score:
    """One line of metrics.csv."""
    return Score(split, institution, model, metric, float(value))


def _targets(federation: Federation) -> dict:
    """The true values of every split: by (split, institution), or by split where all share one."""
    shards = federation.shards
    own = {("validation", i): shard.validation.y for i, shard in enumerate(shards)}
    own |= {("test", i): shard.test.y for i, shard in enumerate(shards)}
    external = federation.external or Part(shards[0].test.x[:0], shards[0].test.y[:0])
    return own | {"pooled": np.concatenate([shard.test.y for shard in shards]), "external": external.y}
