"""Which TensorBoard curves a report adds points to: a pure function, and the table that documents every tag."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from swarmsim.metrics.summary import mean, spread
from swarmsim.types import Report, Score, Traffic

if TYPE_CHECKING:
    from swarmsim.clock.account import Account

__all__ = ["MANY", "ROOT", "TAGS", "clocked", "sample", "scalars"]

TAGS = {
    "train/<metric>": "on the institution's own training examples; in the method's run: mean over institutions",
    "validation/<metric>": "local model, the institution's own validation set; in the method's run: mean",
    "test/<metric>": "local model, the institution's own test set; in the method's run: mean over institutions",
    "pooled/<metric>": "local model, all institutions' test sets together; in the method's run: mean",
    "external/<metric>": "local model, test set of an institution that never trains; in the method's run: mean",
    "merged/<split>_<metric>": "the merged model (the mean of the rows) on that split",
    "swarm/mean_<metric>": "mean over institutions of test/<metric>",
    "swarm/worst_<metric>": "test/<metric> of the institution where it is worst",
    "swarm/best_<metric>": "test/<metric> of the institution where it is best",
    "swarm/q1_<metric>": "more than 30 institutions: lower quartile over them of test/<metric>",
    "swarm/median_<metric>": "more than 30 institutions: median over them of test/<metric>",
    "swarm/q3_<metric>": "more than 30 institutions: upper quartile over them of test/<metric>",
    "swarm/consensus_distance": "root mean square distance of the institutions' parameters to their mean",
    "swarm/spectral_gap": "1 - ||W - J|| of the round's mixing matrix, up to 300 institutions",
    "swarm/window_gap": "the same per round, over the last rounds of a topology that changes",
    "swarm/effective_neighbours": "among how many institutions these rounds average noise away (Vogels et al. 2022)",
    "serving/recall_of_<class>": "split learning: recall by label on the pooled test set, mean over the local models",
    "serving/performance_gap": "split learning: the best of these recalls minus their mean",
    "serving/accuracy_at_<p>": "split learning by turns: at the end of the round, of the institution served p-th",
    "serving/recall_at_<p>": "the same, mean recall over the classes of its test set",
    "serving/backward_transfer": "`evaluate: {turns: true}`: what later turns did to accuracy; forgetting is negative",
    "after_turn_<p>/<metric>": "`evaluate: {turns: true}`: local model after the p-th turn, own test set",
    "train/staleness": "`in_flight` above 1: steps taken between a batch's way up and its way down, mean of the round",
    "net/bytes_<kind>": "bytes sent in this round, by kind of message; in an institution's run: what it sent",
    "net/messages": "messages sent in this round, without those of evaluation; in an institution's run: its own",
    "net/total_bytes": "bytes sent since the run began, without those of evaluation; in an institution's run: its own",
    "compute/flops": "FLOPs since the run began; in an institution's run: its own",
    "time/wall_seconds": "wall time since the run began, resumed halves added up",
    "time/simulated_seconds": "the simulated clock at the end of the round",
    "time/round_seconds": "simulated seconds of the round",
    "time/idle": "share of the simulated time until now without computing; in the method's run: mean over institutions",
    "time/timeline": "figure: who computed, waited, sent and received in the first rounds",
    "targets": "text: when `evaluate: {targets: ...}` were reached, in rounds, simulated time, bytes and FLOPs",
    "data/partition": "figure: examples of each class at each institution",
    "network/topology": "figure, five of them in a long run: who talks to whom, nodes by main metric, edges by bytes",
    "merges": "text: the last 100 merges, who was in them, who was left out, and why",
    "experiment": "text: the resolved experiment file",
}
"""Every tag that swarmsim writes, and what it means."""

ROOT = ""  # the method's own run; the others bear the names of institutions
MANY = 30  # more institutions than this are shown as quartiles and a sample

Runs = dict[str, dict[str, float]]


def scalars(report: Report, many: bool) -> Runs:
    """{run: {tag: value}} of one round; values that are not finite are left out.

    A score of model `local` (whatever the institution itself would use) has the tag of its split, one of model
    `merged` stands under merged/, one of model and institution `all` under swarm/.
    """
    runs: Runs = defaultdict(dict)
    for (model, split, metric), values in _by_metric(report.scores).items():
        tag = _tag(model, split, metric)
        for institution, value in values.items():
            runs[ROOT if institution == "all" else institution][tag] = value
        if "all" not in values:
            runs[ROOT][tag] = mean(values.values())
            if (model, split) == ("local", "test"):
                runs[ROOT] |= _over_institutions(metric, list(values.values()), many)
    _add_traffic(runs, report.traffic)
    if report.seconds is not None:
        runs[ROOT]["time/simulated_seconds"] = report.seconds
    return dict(runs)


def clocked(account: Account, institutions: Sequence[str]) -> Runs:
    """{run: {tag: value}} of what the clock says of the rounds until now."""
    runs: Runs = {name: {"compute/flops": float(each)} for name, each in zip(account.names, account.flops, strict=True)}
    runs[ROOT] = {"compute/flops": float(sum(account.flops))}
    if account.rounds:
        runs[ROOT]["time/round_seconds"] = account.round_seconds
        idle = account.clock.idle()
        for name, share in idle.items():
            runs[name]["time/idle"] = share
        if idle:
            runs[ROOT]["time/idle"] = mean(idle[name] for name in institutions)
    return runs


def sample(names: Sequence[str]) -> tuple[str, ...]:
    """The institutions that get a run of their own: all up to 30 of them, else 10 evenly spaced ones."""
    if len(names) <= MANY:
        return tuple(names)
    return tuple(names[place] for place in np.linspace(0, len(names) - 1, 10).round().astype(int))


def _by_metric(scores: Iterable[Score]) -> dict[tuple[str, str, str], dict[str, float]]:
    """{(model, split, metric): {institution: value}}, finite values only."""
    found: dict[tuple[str, str, str], dict[str, float]] = defaultdict(dict)
    for split, institution, model, metric, value in scores:
        if math.isfinite(value):
            found[model, split, metric][institution] = float(value)
    return found


def _tag(model: str, split: str, metric: str) -> str:
    tags = {"local": f"{split}/{metric}", "merged": f"merged/{split}_{metric}", "all": f"swarm/{metric}"}
    if model not in tags:
        raise ValueError(f"tensorboard: no tag for the scores of model {model!r}; models: {', '.join(tags)}")
    return tags[model]


def _over_institutions(metric: str, values: list[float], many: bool) -> dict[str, float]:
    figures = spread(metric, values)
    if many:
        figures |= dict(zip(("q1", "median", "q3"), np.quantile(values, (0.25, 0.5, 0.75)).tolist(), strict=True))
    return {f"swarm/{name}_{metric}": value for name, value in figures.items()}


def _add_traffic(runs: Runs, traffic: Iterable[Traffic]) -> None:
    for _, src, _, kind, messages, size in traffic:
        for run in (runs[ROOT], runs[src]):
            run[f"net/bytes_{kind}"] = run.get(f"net/bytes_{kind}", 0) + size
            if not kind.startswith("eval_"):
                run["net/messages"] = run.get("net/messages", 0) + messages
