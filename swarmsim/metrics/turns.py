"""From the turns of a round of split learning to lines of metrics.csv: whom a model serves, and whom it forgets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from swarmsim.metrics.classification import recalls, scores
from swarmsim.metrics.scores import measured
from swarmsim.metrics.serving import backward_transfer, by_position, performance_gap
from swarmsim.metrics.summary import mean
from swarmsim.types import Federation, Score

__all__ = ["measure_turns"]

SHOWN = ("accuracy", "balanced_accuracy")


def measure_turns(
    order: Sequence[int],
    turns: Mapping[tuple[int, int], np.ndarray],
    predictions: Mapping[tuple[str, int, str], np.ndarray],
    federation: Federation,
) -> tuple[Score, ...]:
    """Lines of split `serving`, and of `after_turn_p` where models were tried after each turn (p counts from 1).

    serving: `recall_of_<class>` on the pooled test set, the mean over the local models, and their `performance_gap`
    (max - mean over classes); `accuracy_at_p` and `recall_at_p`, those of the institution served p-th on its own test
    set at the end of the round (recall: the mean over the classes there); `backward_transfer` of the accuracy.
    after_turn_p: accuracy and balanced accuracy of each institution's model on its own test set.

    order: institutions by turn, () where they take none; turns: (turn, institution) -> logits [m, C];
    predictions: (model, institution, split) -> logits.
    """
    found = _by_label(predictions, federation)
    tests = {i: shard.test.y for i, shard in enumerate(federation.shards)}
    last = {i: scores(predictions["local", i, "test"], tests[i]) for i in order if ("local", i, "test") in predictions}
    for metric, name in zip(SHOWN, ("accuracy", "recall"), strict=True):
        values = by_position({i: each[metric] for i, each in last.items() if metric in each}, order)
        found += [_serving(f"{name}_at_{p}", value) for p, value in enumerate(values, start=1) if np.isfinite(value)]
    after = np.full((len(order), len(tests)), np.nan)
    for (turn, i), outputs in sorted(turns.items()):
        tried = scores(outputs, tests[i])
        after[turn, i] = tried.get("accuracy", np.nan)
        names = [metric for metric in SHOWN if metric in tried]
        found += [
            measured(f"after_turn_{turn + 1}", federation.names[i], "local", metric, tried[metric]) for metric in names
        ]
    if turns and (transfer := backward_transfer(after, order)) is not None:
        found.append(_serving("backward_transfer", transfer))
    return tuple(found)


def _by_label(predictions: Mapping[tuple[str, int, str], np.ndarray], federation: Federation) -> list[Score]:
    """Recall by label on the pooled test set, and how far the best is above the mean."""
    pooled = [out for (model, _, split), out in sorted(predictions.items()) if (model, split) == ("local", "pooled")]
    if not pooled:
        return []
    targets = np.concatenate([shard.test.y for shard in federation.shards])
    each = [recalls(outputs, targets) for outputs in pooled]
    together = {label: mean(values[label] for values in each) for label in each[0]} if all(each) else {}
    named = [
        _serving(f"recall_of_{federation.classes[label].replace(' ', '-')}", value) for label, value in together.items()
    ]
    gap = performance_gap(together)
    return named + ([_serving("performance_gap", gap)] if gap is not None else [])


def _serving(metric: str, value: float) -> Score:
    return measured("serving", "all", "local", metric, value)
