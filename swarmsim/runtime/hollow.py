"""Operations on tensors without content, remembered: what comes out follows from the shapes that go in.

Many of torch's operations on such tensors are written in Python and take a millisecond; one that was seen before is
answered with new tensors of the shapes it had then.
"""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import flop_registry

__all__ = ["answer"]

REMEMBERED = 10_000  # operations with their shapes
_seen: dict[Hashable, Seen] = {}


class Seen(NamedTuple):
    """Shape, strides and dtype of each output, whether there is one or a tuple of them, and FLOPs."""

    outputs: tuple[tuple, ...]
    one: bool
    flops: int


def answer(func: Any, args: tuple, kwargs: dict) -> tuple[Any, int]:
    """(func(*args, **kwargs), its FLOPs) for an operation of torch below autograd."""
    key = _key(func, args, kwargs) if _makes_anew(func) else None
    if key in _seen:
        outputs, one, flops = _seen[key]
        made = tuple(torch.empty_strided(size, stride, dtype=dtype, device="meta") for size, stride, dtype in outputs)
        return made[0] if one else made, flops
    out = func(*args, **kwargs)
    formula = flop_registry.get(func.overloadpacket)
    flops = formula(*args, **kwargs, out_val=out) if formula is not None else 0
    outputs = (out,) if isinstance(out, torch.Tensor) else out
    if key is not None and isinstance(outputs, tuple) and all(_hollow(each) for each in outputs):
        if len(_seen) >= REMEMBERED:
            _seen.clear()
        _seen[key] = Seen(tuple((o.shape, o.stride(), o.dtype) for o in outputs), outputs is not out, flops)
    return out, flops


def _hollow(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.device.type == "meta"


@cache
def _makes_anew(func: Any) -> bool:
    """Whether what comes out shares no memory with what goes in, and nothing that goes in changes."""
    schema = func._schema
    return not any(each.alias_info for each in (*schema.arguments, *schema.returns))


def _key(func: Any, args: tuple, kwargs: dict) -> Hashable | None:
    """Equal for calls with equal shapes and equal numbers; None where something else goes in."""
    try:
        key = func, tuple(map(_part, args)), tuple((name, _part(value)) for name, value in kwargs.items())
        hash(key)
    except TypeError:
        return None
    return key


def _part(value: Any) -> Hashable:
    if isinstance(value, torch.Tensor):
        return value.shape, value.stride(), value.dtype, value.device
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_part, value))
    return type(value), value
