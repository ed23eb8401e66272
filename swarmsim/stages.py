"""What a model's stages must be, so that they can be laid out as a row and cut between any two of them.

Models of the package keep to this; a user's own may not, and then the stage that does not is named.
"""

from __future__ import annotations

from typing import Any

from swarmsim.lazy import torch
from swarmsim.types import InputError

__all__ = ["BATCH", "draws_numbers", "sound", "try_out"]

BATCH = 3  # examples in a trial: a number that is seldom the size of anything else


def sound(stages: Any) -> list[tuple[str, torch.nn.Module]]:
    """The stages, once it is known that they are named modules whose tensors fit into rows.

    Raises InputError for names that are used twice or have a dot; parameters that are frozen, no floats, or without a
    size yet; tensors that are in two places; buffers of two kinds of integers.
    """
    if not (isinstance(stages, list) and stages and all(isinstance(s, tuple) and len(s) == 2 for s in stages)):
        raise InputError(
            "model: stages must return a list of pairs (name, torch.nn.Module), at least one; "
            "for an nn.Sequential that is list(module.named_children())"
        )
    places: dict[int, str] = {}
    counters: dict[torch.dtype, str] = {}
    for place, (name, module) in enumerate(stages):
        _check_name(name, [other for other, _ in stages[:place]])
        if not isinstance(module, torch.nn.Module):
            raise InputError(f"stage {name!r}: must be a torch.nn.Module, got {type(module).__name__}")
        for path, tensor in _tensors(name, module):
            _check_tensor(name, path, tensor, places, counters)
    return stages


def try_out(stages: list[tuple[str, torch.nn.Module]], shape: tuple[int, ...], outputs: int) -> tuple[int, ...]:
    """The shape of one output, from a few examples [3, *shape] of zeros, passed as in training and as in evaluation.

    Raises InputError for a stage that does not take what the one before it gives, that gives something else than one
    tensor of floats with an example a row, or that draws random numbers which the seed does not address; and for a
    model that does not end in [3, outputs, ...].
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for train in (True, False):
            x = torch.zeros(BATCH, *shape)
            for name, module in stages:
                x = _passed(name, module.train(train), x)
    if x.shape[1:2] != (outputs,):
        raise InputError(
            f"stage {name!r}: the last stage must give [B, {outputs}], an output for each class or target; "
            f"for {BATCH} examples it gives {list(x.shape)}"
        )
    return tuple(x.shape[1:])


def draws_numbers(module: torch.nn.Module) -> bool:
    """Whether a stage has dropout: as a module, or as the number that attention and recurrent layers hold."""
    dropouts = torch.nn.modules.dropout._DropoutNd
    shares = (part.p if isinstance(part, dropouts) else getattr(part, "dropout", 0) for part in module.modules())
    return any(isinstance(share, (int, float)) and share > 0 for share in shares)


def _check_name(name: Any, earlier: list[str]) -> None:
    if not isinstance(name, str) or not name or "." in name:
        raise InputError(f"stage {name!r}: its name must be a text without dots, which part the names of its tensors")
    if name in earlier:
        raise InputError(f"stage {name!r}: two stages have this name; a cut is named by a stage, so give each its own")


def _tensors(name: str, module: torch.nn.Module) -> list[tuple[str, torch.Tensor]]:
    """(full name, tensor) of everything that a stage holds, in every place where it is held."""
    return [
        (".".join(part for part in (name, prefix, key) if part), tensor)
        for prefix, owner in module.named_modules()
        for table in (owner._parameters, owner._buffers)
        for key, tensor in table.items()
        if tensor is not None
    ]


def _check_tensor(stage: str, path: str, tensor: torch.Tensor, places: dict, counters: dict) -> None:
    """`places` and `counters` remember what was seen: tensors by identity, and integer buffers by dtype."""
    if torch.nn.parameter.is_lazy(tensor):
        raise InputError(f"stage {stage!r}: the size of {path} is not known yet; use a module that is given its sizes")
    if (first := places.setdefault(id(tensor), path)) != path:
        raise InputError(
            f"stage {stage!r}: {path} and {first} are one tensor, but each place in a row, and each owner of a part, "
            "would hold and train a copy of its own; use one module twice within a stage, or give each its own tensor"
        )
    kind = str(tensor.dtype).removeprefix("torch.")
    if isinstance(tensor, torch.nn.Parameter):
        if not tensor.is_floating_point():
            raise InputError(f"stage {stage!r}: the parameter {path} is {kind}, not float; register it as a buffer")
        if not tensor.requires_grad:
            raise InputError(f"stage {stage!r}: {path} is frozen, but a row is trained whole; register it as a buffer")
    elif not tensor.is_floating_point():
        counters.setdefault(tensor.dtype, path)
        if len(counters) > 1:
            seen = " and ".join(f"{name} is {str(dtype).removeprefix('torch.')}" for dtype, name in counters.items())
            raise InputError(f"stage {stage!r}: buffers that are no floats share one row, but {seen}; use one kind")


def _passed(name: str, module: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    before = torch.get_rng_state()
    try:
        y = module(x)
    except Exception as error:
        given = f"{list(x.shape)} ({BATCH} examples)"
        raise InputError(f"stage {name!r}: given {given}, it raised {type(error).__name__}: {error}") from error
    if not (isinstance(y, torch.Tensor) and y.is_floating_point()):
        got = str(y.dtype) if isinstance(y, torch.Tensor) else type(y).__name__
        raise InputError(f"stage {name!r}: must give one tensor of floats, got {got}")
    if y.shape[:1] != (BATCH,):
        raise InputError(
            f"stage {name!r}: must give one row for each example, [B, ...] -> [B, ...]; "
            f"for {list(x.shape)} it gives {list(y.shape)}"
        )
    if not torch.equal(before, torch.get_rng_state()) and not (module.training and draws_numbers(module)):
        raise InputError(
            f"stage {name!r}: draws random numbers, and not by dropout in training alone; the seed addresses those of "
            "modules like torch.nn.Dropout only, so that every host draws the same"
        )
    return y
