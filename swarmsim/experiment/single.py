"""One section alone, as the command line names it."""

from __future__ import annotations

from collections.abc import Sequence

from swarmsim.experiment.errors import ExperimentError, Issue
from swarmsim.experiment.nodes import Node, Place, Source
from swarmsim.experiment.overrides import Override, apply, assignments
from swarmsim.experiment.validation import section
from swarmsim.types import Arguments

__all__ = ["read_section"]


def read_section(
    key: str, use: str, overrides: Sequence[str] = (), plugins: Sequence[str] = (), **values: str
) -> Arguments:
    """The component that `use` names in section `key`, with arguments from `name=value` texts and `values`."""
    place = Place(Source(use, option=True))
    written = {name: Node(value, place, place) for name, value in {"use": use, **values}.items()}
    changes = [Override((key, *change.path), change.node) for change in assignments(overrides)]
    root = apply(Node({key: Node(written, place, place)}, place, place), changes)
    issues: list[Issue] = []
    found = section(key, root.value[key], lambda path: ".".join(map(str, path)), issues, tuple(plugins))
    if found is None:
        raise ExperimentError(issues)
    return found
