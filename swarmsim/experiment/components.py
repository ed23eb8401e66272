"""What can be written after `use:`: the component files of a section's folder, found by looking, and plug-ins.

A component file exports one name, a concrete subclass of `Arguments` defined in it. Only files found here, and the
modules that the command line names, are ever imported; a name from an experiment file is compared with theirs.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from functools import cache

from swarmsim.experiment.plugins import plugin
from swarmsim.types import Arguments, InputError

__all__ = ["FOLDERS", "component", "components"]

FOLDERS = {
    "data": "swarmsim.data",
    "partition": "swarmsim.partition",
    "model": "swarmsim.models",
    "task": "swarmsim.tasks",
    "topology": "swarmsim.topology",
    "merge": "swarmsim.merge",
    "algorithm": "swarmsim.algorithms",
}


def component(section: str, use: str, plugins: tuple[str, ...] = ()) -> type[Arguments] | None:
    """The class that `use` names in a section, if there is one: a plug-in's, or that of a file in its folder."""
    plugged = _plugged(section, plugins)
    if use in plugged:
        return plugged[use]
    return _exported(FOLDERS[section], use) if use in _files(FOLDERS[section]) else None


@cache
def components(section: str, plugins: tuple[str, ...] = ()) -> dict[str, type[Arguments]]:
    """Everything that can be written after `use:` in a section, plug-ins last."""
    found = {use: component(section, use) for use in _files(FOLDERS[section])}
    return {use: cls for use, cls in found.items() if cls is not None} | _plugged(section, plugins)


def _plugged(section: str, plugins: tuple[str, ...]) -> dict[str, type[Arguments]]:
    """The plug-ins of a section by name; a name that a file has already would hide it."""
    found = {name: one.cls for name, one in zip(plugins, map(plugin, plugins), strict=True) if one.section == section}
    if taken := [name for name in found if name in _files(FOLDERS[section])]:
        raise InputError(f"--plugin {taken[0]}: there is a {section} of that name already; rename the module")
    return found


@cache
def _files(package: str) -> tuple[str, ...]:
    return tuple(sorted(_walk(list(importlib.import_module(package).__path__), "")))


def _walk(folders: list[str], prefix: str) -> Iterator[str]:
    for found in pkgutil.iter_modules(folders):
        if found.name.startswith("_"):
            continue
        if found.ispkg and not prefix:
            yield from _walk([f"{folder}/{found.name}" for folder in folders], f"{found.name}/")
        elif not found.ispkg:
            yield prefix + found.name


@cache
def _exported(package: str, use: str) -> type[Arguments] | None:
    module = importlib.import_module(f"{package}.{use.replace('/', '.')}")
    names = getattr(module, "__all__", ())
    value = getattr(module, names[0], None) if len(names) == 1 else None
    fits = inspect.isclass(value) and issubclass(value, Arguments) and value.__module__ == module.__name__
    return value if fits and not inspect.isabstract(value) else None
