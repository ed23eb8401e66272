"""The CUSTOM SCALARS page: for each metric all institutions in one chart, and mean with the range around it."""

from __future__ import annotations

from collections.abc import Collection

from swarmsim.metrics.summary import HIGHER_IS_BETTER

__all__ = ["layout"]


def layout(tags: Collection[str], many: bool) -> dict[str, dict[str, list]]:
    """{category: {chart: [kind, tags]}} as `add_custom_scalars` takes it, of the tags of the method's run."""
    found = {tag.removeprefix("swarm/mean_") for tag in tags if tag.startswith("swarm/mean_")}
    metrics = [metric for metric in HIGHER_IS_BETTER if metric in found]  # the one that speaks for a run comes first
    merged = [metric for metric in metrics if any(tag.startswith("merged/") and _ends(tag, metric) for tag in tags)]
    network = {"bytes a round": ["Multiline", ["^net/bytes_"]]}
    if "swarm/consensus_distance" in tags:
        network["consensus distance"] = ["Multiline", ["^swarm/consensus_distance$"]]
    clock = {}
    if "time/simulated_seconds" in tags:
        clock = {"simulated seconds a round": ["Multiline", ["^time/round_seconds$"]],
                 "idle share of the time": ["Multiline", ["^time/idle$"]]}  # fmt: skip
    categories = {
        "Swarm": {f"{metric} over institutions": _band(metric, many) for metric in metrics},
        "Institutions": {f"{metric} on the own test set": ["Multiline", [f"^test/{metric}$"]] for metric in metrics},
        "Merged model": {
            f"{metric} of the merged model": ["Multiline", [f"^merged/[a-z]+_{metric}$"]] for metric in merged
        },
        "Network": network,
        "Clock": clock,
    }
    return {title: charts for title, charts in categories.items() if charts}


def _ends(tag: str, metric: str) -> bool:
    """merged/<split>_<metric>: no split has an underscore."""
    return tag.split("_", 1)[1] == metric


def _band(metric: str, many: bool) -> list:
    """Mean between the worst and the best institution; of many institutions, median between the quartiles."""
    if many:
        return ["Margin", [f"swarm/{name}_{metric}" for name in ("median", "q1", "q3")]]
    ends = ("worst", "best") if HIGHER_IS_BETTER[metric] else ("best", "worst")
    return ["Margin", [f"swarm/{name}_{metric}" for name in ("mean", *ends)]]
