"""MONAI, whose networks are an optional extra."""

from __future__ import annotations

from types import ModuleType

from swarmsim.types import InputError

__all__ = ["monai_nets"]


def monai_nets(model: str) -> ModuleType:
    """The module `monai.networks.nets`, for the model of that name."""
    try:
        from monai.networks import nets
    except ImportError as error:
        raise InputError(
            f'model {model}: the package monai cannot be imported ({error}); pip install "swarmsim[monai]"'
        ) from None
    return nets
