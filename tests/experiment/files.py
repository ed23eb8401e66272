"""Experiment files that the tests read and spoil."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmsim.experiment import ExperimentError, Study, read

__all__ = ["FIXED_POINT", "METHODS", "PLUGINS", "refusal", "wrote"]

PLUGINS = {"own_model": ["experiments.plugins.attention_mlp"]}  # what experiments/NAME.yaml needs beside itself

FIXED_POINT = """\
name: fixed-point
seed: 1
rounds: 1000
institutions: 8
data:      {use: quadratic, targets: [0, 1, 2, 3, 4, 5, 6, 7]}
model:     {use: point}                      # one parameter, starts at 0
task:      {use: quadratic}                  # f_i(x) = (x - a_i)^2 / 2
topology:  {use: ring}
algorithm: {use: swarm/dpsgd, lr: 0.1, local_steps: 1, order: adapt_then_combine}
evaluate:  {every: 500}
runtime:   {use: inline, dtype: float64}
"""

METHODS = """\
name: two
rounds: 3
data:  {use: quadratic, targets: [0, 1]}
model: {use: point}
task:  {use: quadratic}
methods:
  - algorithm: {use: baseline/local, lr: 0.1}
  - algorithm: {use: swarm/dpsgd, lr: 0.1}
    topology:  {use: ring}
    rounds: 5
  - algorithm: {use: swarm/dpsgd, lr: 0.2}
    topology:  {use: ring}
    label: fast
  - algorithm: {use: swarm/dpsgd, lr: 0.3}
    topology:  {use: path}
"""


def wrote(folder: Path, text: str, *swaps: tuple[str, str], name: str = "file.yaml") -> Path:
    """A file with that text, after some replacements that must all apply."""
    for old, new in swaps:
        assert old in text
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refusal(path: Path, *overrides: str, **options) -> str:
    """The message with which a file is refused, without its folder."""
    with pytest.raises(ExperimentError) as caught:
        study = read(path, overrides, **options)
        assert isinstance(study, Study)
    return str(caught.value).replace(f"{path.parent}/", "")
