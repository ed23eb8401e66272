"""A study or an experiment as a complete file that reads back as the same."""

from __future__ import annotations

import re

import yaml

from swarmsim.experiment.reading import FLOAT, INTEGER
from swarmsim.experiment.study import Experiment, Study

__all__ = ["resolved_yaml"]


class _Dumper(yaml.SafeDumper):
    """Quotes every text that YAML 1.1 or 1.2 could take for something else."""


for _tag, _pattern in (("int", INTEGER), ("float", FLOAT)):
    _Dumper.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_pattern.pattern})$"), list("-+.0123456789")
    )


def resolved_yaml(what: Study | Experiment) -> str:
    """The complete file, with every default. One method of several becomes a file of its own, without its label."""
    return yaml.dump(
        dict(what.resolved), Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110, allow_unicode=True
    )
