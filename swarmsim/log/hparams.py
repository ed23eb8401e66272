"""TensorBoard's HPARAMS page: one experiment a log directory, one session a run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["END", "end_summary", "start_summary", "write_hparams_experiment"]

END = "_hparams_/session_end_info"  # the tag of the note that a run is over

Values = dict[str, bool | float | str]


def write_hparams_experiment(root: Path | str, runs: Sequence[Mapping[str, Any]], metrics: Iterable[str]) -> None:
    """Say once, in the folder above all runs, which hyperparameters and metrics the table shows.

    runs: the hyperparameters of each run, nested as in YAML; metrics: auroc, accuracy, ...: the mean and the
    worst over institutions are shown. TensorBoard shows nothing that this does not name.
    """
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.hparams import summary_v2
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    columns: dict[str, list] = {}
    for run in runs:
        for key, value in _flat(run).items():
            columns.setdefault(key, []).append(value)
    if len(runs) > 1:  # the table shows few columns: those in which the runs differ
        columns = {key: values for key, values in columns.items() if len(values) < len(runs) or len(set(values)) > 1}
    tags = [f"swarm/{which}_{metric}" for metric in metrics for which in ("mean", "worst")]
    summary = summary_v2.hparams_config_pb(
        hparams=[summary_v2.HParam(key, _domain(values)) for key, values in columns.items()],
        metrics=[summary_v2.Metric(tag) for tag in (*tags, "time/simulated_seconds", "time/wall_seconds")],
    )
    writer = EventFileWriter(str(root), filename_suffix=".hparams")  # a name of its own: it outlives a new beginning
    writer.add_event(Event(summary=summary))
    writer.close()


def start_summary(hparams: Mapping[str, Any]):
    """A run begins, with these hyperparameters; runs that differ in the seed alone form one group."""
    from tensorboard.plugins.hparams import summary_v2

    values = _flat(hparams)
    without_seed = {key: value for key, value in values.items() if key != "seed" and not key.startswith("seed.")}
    trial = hashlib.sha256(json.dumps(without_seed, sort_keys=True).encode()).hexdigest()
    return summary_v2.hparams_pb(values, trial_id=trial)


def end_summary(completed: bool):
    """A run is over. (tensorboard's own function for it lives in a module that imports tensorflow.)"""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2

    status = api_pb2.STATUS_SUCCESS if completed else api_pb2.STATUS_FAILURE
    data = plugin_data_pb2.HParamsPluginData(session_end_info=plugin_data_pb2.SessionEndInfo(status=status))
    about = metadata.create_summary_metadata(data)
    return Summary(value=[Summary.Value(tag=END, metadata=about, tensor=metadata.NULL_TENSOR)])


def _flat(hparams: Mapping[str, Any], prefix: str = "") -> Values:
    """{"algorithm": {"lr": 0.1}} -> {"algorithm.lr": 0.1}; None is left out, other values become text."""
    flat: Values = {}
    for key, value in hparams.items():
        name = prefix[:-1] if key == "use" and prefix else prefix + key  # a section is what it uses
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{name}.")
        elif isinstance(value, bool | str):
            flat[name] = value
        elif isinstance(value, int | float):
            flat[name] = float(value)
        elif value is not None:
            flat[name] = json.dumps(value)
    return flat


def _domain(values: list):
    """The values that occur; None (anything) where numbers and words are mixed."""
    from tensorboard.plugins.hparams.summary_v2 import Discrete

    return Discrete(sorted(set(values))) if len({type(value) for value in values}) == 1 else None
