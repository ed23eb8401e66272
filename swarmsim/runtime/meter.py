"""A meter for rehearsals: what each participant computes in a round, and what it keeps for the way back.

Rehearsed tensors have a shape but no content, and both figures follow from the shapes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode

from swarmsim.network.located import Group, Located
from swarmsim.runtime.hollow import answer
from swarmsim.trees import flatten, nbytes, signature

__all__ = ["Cost", "Meter"]

Holdings = Iterable[tuple[Group, Located]]
Owner = tuple[str, int]  # (kind of group, member)


class Cost(NamedTuple):
    """What one round costs a participant.

    flops: two for each multiply-add of matrix products and convolutions, forward and backward, by torch's formulas;
    element-wise functions, normalisation, losses, optimiser steps and sums of rows count nothing.
    Bytes: `rows` of what it holds between rounds (weights, statistics, optimiser states), its training `examples`, and
    `activations`, the most that autograd keeps at one time for backward passes: the batch and what layers computed
    from it, each piece of memory once, without the weights. Gradients and received rows come on top.
    """

    flops: int
    rows: int
    examples: int
    activations: int


class Meter:
    """Charges what the members of its groups compute to them, and says it to `heard` (name, FLOPs), in order."""

    def __init__(self, heard: Callable[[str, int], None] = lambda who, flops: None) -> None:
        self._accounts: dict[Owner, _Account] = defaultdict(_Account)
        self._heard, self._apart = heard, None

    def group(self, group: Group) -> Group:
        """The same group, metered."""
        where = group.names, group.kind
        whole = Group(group.kind, group.names, group.here, partial(self._map, *where), partial(self._call, *where))
        return whole.only(group.members)

    def costs(self, groups: Iterable[Group], rows: Holdings, examples: Holdings) -> dict[str, Cost]:
        """Costs by name, of all members of the groups that live here; `rows` and `examples` are what they hold."""
        held, shards = _sizes(rows), _sizes(examples)
        return {
            group.names[i]: Cost(account.flops, held[owner], shards[owner], account.peak)
            for group in groups
            for i in group.here
            for owner, account in [((group.kind, i), self._accounts[group.kind, i])]
        }

    def measured(self, f: Callable[[], Any]) -> tuple[Any, _Account]:
        """(f(), what it costs), which nobody is charged for."""
        self._apart = account = _Account()
        try:
            return account.charge(f), account
        finally:
            self._apart = None

    def add(self, group: Group, i: int, account: _Account) -> None:
        """Charge a member for what was measured."""
        self._accounts[group.kind, i].add(account)

    def _call(self, names: tuple[str, ...], kind: str, i: int, f: Callable, *arguments: Any) -> Any:
        if self._apart is not None:
            return f(*arguments)
        account = self._accounts[kind, i]
        before = account.flops
        result = account.charge(f, *arguments)
        self._heard(names[i], account.flops - before)
        return result

    def _map(
        self, names: tuple[str, ...], kind: str, f: Callable, here: tuple[int, ...], values: tuple[Located, ...]
    ) -> Located:
        """f once for all members whose trees have equal shapes: they get equal results, at equal cost.

        f is one that can be packed, so it knows a member by its trees alone and keeps nothing for later.
        """
        if self._apart is not None:
            return Located({i: f(*(value.values[i] for value in values)) for i in here})
        done: dict[str, tuple[_Account, Any]] = {}
        results = {}
        for i in here:
            trees = [value.values[i] for value in values]
            shapes = signature(trees)
            if shapes not in done:
                account = _Account()
                done[shapes] = account, account.charge(f, *trees)
            account, results[i] = done[shapes]
            self._accounts[kind, i].add(account)
            self._heard(names[i], account.flops)
        return Located(results)


class _Account:
    """FLOPs so far, and bytes kept for backward passes: now, and at most."""

    def __init__(self) -> None:
        self.flops = self.bytes = self.peak = 0
        self._kept: Counter[tuple] = Counter()

    def charge(self, f: Callable, *arguments: Any) -> Any:
        """f(*arguments), on this account."""
        weights = {tensor.untyped_storage() for tree in _weights(arguments) for tensor in flatten(tree)[1]}
        with _Flops(self), saved_tensors_hooks(partial(_Kept, self, weights), _Kept.release):
            return f(*arguments)

    def add(self, other: _Account) -> None:
        """Charge what is on an account of which nothing is kept any more."""
        self.flops += other.flops
        self.peak = max(self.peak, self.bytes + other.peak)

    def keep(self, piece: tuple, size: int) -> None:
        """Note that a piece of memory is needed once more."""
        self._kept[piece] += 1
        if self._kept[piece] == 1:
            self.bytes += size
            self.peak = max(self.peak, self.bytes)

    def drop(self, piece: tuple, size: int) -> None:
        """The inverse of `keep`."""
        self._kept[piece] -= 1
        if not self._kept[piece]:
            del self._kept[piece]
            self.bytes -= size


class _Kept:
    """A tensor that autograd saved, on an account until the graph lets go of it."""

    def __init__(self, account: _Account, weights: set, tensor: torch.Tensor) -> None:
        storage = tensor.untyped_storage()
        size = 0 if storage in weights else min(tensor.nbytes, storage.nbytes())  # an expanded tensor has less
        self._tensor, self._account = tensor, account
        self._entry = (storage, tensor.storage_offset(), size), size
        account.keep(*self._entry)

    def release(self) -> torch.Tensor:
        return self._tensor

    def __del__(self) -> None:
        self._account.drop(*self._entry)


class _Flops(TorchDispatchMode):
    """Adds the FLOPs of every operation inside to an account.

    torch's own FlopCounterMode has the same formulas, but it also follows modules with hooks on their inputs, and
    these refuse torch.autograd.grad with respect to an input: what a cut gradient is.
    """

    def __init__(self, account: _Account) -> None:
        super().__init__()
        self._account = account

    def __torch_dispatch__(self, func, types, args=(), kwargs=None) -> Any:
        out, flops = answer(func, args, kwargs or {})
        self._account.flops += flops
        return out


def _weights(tree: Any) -> Iterator[dict]:
    """Every set of weights in a tree: the dicts with rows of parameters."""
    if isinstance(tree, dict) and "params" in tree:
        yield tree
    elif isinstance(tree, (dict, list, tuple)):
        for item in tree.values() if isinstance(tree, dict) else tree:
            yield from _weights(item)


def _sizes(held: Holdings) -> Counter[Owner]:
    """Bytes by owner."""
    sizes: Counter[Owner] = Counter()
    for group, located in held:
        for i, tree in located.values.items():
            sizes[group.kind, i] += nbytes(tree)
    return sizes
