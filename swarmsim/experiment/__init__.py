"""The experiment language: the only reader of experiment files.

    study = read("experiments/quickstart.yaml", overrides=["rounds=3"], seed=1)

In a file a section is a folder of swarmsim, `use` is a file in it, and the other keys are the arguments of the
class which that file exports.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swarmsim.experiment.dumping import resolved_yaml
from swarmsim.experiment.errors import ExperimentError
from swarmsim.experiment.files import load
from swarmsim.experiment.listing import listing
from swarmsim.experiment.overrides import apply, assignments, short_forms
from swarmsim.experiment.resolving import resolve
from swarmsim.experiment.schema import json_schema
from swarmsim.experiment.settings import Checkpoint, Evaluate, RuntimeSettings
from swarmsim.experiment.single import read_section
from swarmsim.experiment.study import Experiment, Study

__all__ = [
    "Checkpoint", "Evaluate", "Experiment", "ExperimentError", "RuntimeSettings", "Study", "json_schema", "listing",
    "read", "read_section", "resolved_yaml",
]  # fmt: skip


def read(
    path: str | Path,
    overrides: Sequence[str] = (),
    seed: int | None = None,
    runtime: str | None = None,
    hosts: int | None = None,
    address: str | None = None,
    plugins: Sequence[str] = (),
) -> Study:
    """The study in a file, with `key.path=value` overrides and the short forms of the command line on top.

    `plugins` are modules whose components the file may use, beside those of swarmsim.

    Raises ExperimentError, which names every place that is wrong, what was given there and what is allowed.
    """
    root = load(path)
    options = {"--seed": seed, "--runtime": runtime, "--hosts": hosts, "--address": address}
    given = {option: value for option, value in options.items() if value is not None}
    changes = [*assignments(overrides), *short_forms(root, given)]
    return resolve(apply(root, changes), [change.node for change in changes], tuple(plugins))
