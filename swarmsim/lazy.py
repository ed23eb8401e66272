"""Heavy libraries, imported when first used.

`swarmsim list`, `schema` and the refusal of a bad file read every component file; importing torch there
would cost two seconds. Component files therefore write `from swarmsim.lazy import torch`.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import TYPE_CHECKING

__all__ = ["networkx", "torch"]


class _Lazy(ModuleType):
    """A module that imports itself at the first attribute access and remembers what was asked for."""

    def __getattr__(self, name: str):
        value = getattr(importlib.import_module(self.__name__), name)
        setattr(self, name, value)
        return value


if TYPE_CHECKING:
    import networkx
    import torch
else:
    torch = _Lazy("torch")
    networkx = _Lazy("networkx")
