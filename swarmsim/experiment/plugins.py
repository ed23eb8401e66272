"""Components from outside the package: modules that the command line names, and never a file.

A plug-in is a component file like those of swarmsim, whose class also says to which section it belongs:

    class Mine(Arguments):
        section: ClassVar[str] = "model"

It is named by its module, `--plugin package.module`, and then written as `use: package.module`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import sys
import traceback
from itertools import dropwhile
from types import ModuleType
from typing import NamedTuple

from swarmsim.experiment.errors import did_you_mean, guess
from swarmsim.types import Arguments, InputError

__all__ = ["NEEDS", "Plugin", "is_module_name", "plugin"]

NEEDS = {  # what the rest of swarmsim asks of a component of each section
    "data": ("load",),
    "partition": ("assign",),
    "model": ("stages",),
    "task": ("outputs", "loss", "scored_by"),
    "topology": ("graph", "graph_at", "period", "with_counts", "weights"),
    "merge": ("merge", "weighted", "needs", "breakdown"),
    "algorithm": ("start", "round", "models", "rule", "packs"),
}


class Plugin(NamedTuple):
    """A component and the section it can be used in."""

    section: str
    cls: type[Arguments]


def plugin(name: str) -> Plugin:
    """The plug-in in the module `name`. Raises InputError if there is none, or if it is not a component file."""
    if not is_module_name(name):
        dotted = os.path.normpath(name).removesuffix(".py").replace(os.sep, ".")
        hint = f"; did you mean `{dotted}`?" if is_module_name(dotted) else ""
        raise _refused(name, f"must be the name of a module, such as package.module{hint}")
    cls = _exported(name, _imported(name))
    section = getattr(cls, "section", None)
    if section is None:
        example = 'section: ClassVar[str] = "model"'
        raise _refused(name, f"{cls.__name__} does not say where it can be used: write {example} in it")
    if section not in NEEDS:
        raise _refused(name, f"{cls.__name__}.section: no section {section!r}; {did_you_mean(str(section), [*NEEDS])}")
    missing = [part for part in NEEDS[section] if not (hasattr(cls, part) or part in cls.model_fields)]
    if missing:
        needs = ", ".join(NEEDS[section])
        raise _refused(name, f"{cls.__name__} lacks {', '.join(missing)}; what the section {section} needs: {needs}")
    return Plugin(section, cls)


def is_module_name(text: str) -> bool:
    """Whether a text could be the full name of a module."""
    return all(part.isidentifier() for part in text.split("."))


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise _refused(name, f"there is no module `{error.name}`{_nearest(error.name)}") from None
        raise _refused(name, f"could not be imported: {type(error).__name__}: {error}{_line(error)}") from error


def _line(error: BaseException) -> str:
    """Where the module was when it failed: the first frame behind those of the import itself."""
    frames = traceback.extract_tb(error.__traceback__)
    behind = dropwhile(lambda frame: not frame.filename.startswith("<"), frames)
    place = next((frame for frame in behind if not frame.filename.startswith("<")), None)
    return f" ({os.path.basename(place.filename)}, line {place.lineno})" if place else ""


def _nearest(missing: str) -> str:
    """A hint for a module that is not there: the one it was looked for in, or one beside it of nearly that name."""
    above, _, last = missing.rpartition(".")
    folders = getattr(sys.modules[above], "__path__", None) if above else [os.getcwd()]
    if folders is None:
        return f"; did you mean `{above}`?"
    near = guess(last, [found.name for found in pkgutil.iter_modules(folders)])
    looked = f"in the package `{above}`" if above else "in the current directory, nor among what is installed"
    return f" {looked}" + (f"; did you mean `{f'{above}.' if above else ''}{near}`?" if near else "")


def _exported(name: str, module: ModuleType) -> type[Arguments]:
    names = getattr(module, "__all__", ())
    if len(names) != 1:
        got = ", ".join(names) or "nothing"
        raise _refused(name, f'must export one class, as in __all__ = ["Mine"]; it exports {got}')
    value = getattr(module, names[0], None)
    if not (inspect.isclass(value) and issubclass(value, Arguments) and value.__module__ == name):
        raise _refused(name, f"{names[0]} must be a class of this module, a subclass of swarmsim.types.Arguments")
    if inspect.isabstract(value):
        raise _refused(name, f"{names[0]} is abstract: it lacks {', '.join(sorted(value.__abstractmethods__))}")
    return value


def _refused(name: str, text: str) -> InputError:
    return InputError(f"--plugin {name}: {text}")
