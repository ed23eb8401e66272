"""Trees: nested dicts, lists and tuples whose leaves are tensors, numbers, strings or None.

Everything an institution holds and everything that crosses the net is a tree, so that one flattening serves
the wire, the checkpoint and the packing of institutions. A tree's structure is plain JSON: nothing is pickled.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from swarmsim.lazy import torch

__all__ = ["concatenated", "flatten", "nbytes", "settled", "signature", "stack", "tree_map", "unflatten", "unstack"]


def tree_map(f: Callable, tree: Any) -> Any:
    """The same tree with `f` applied to each tensor."""
    if isinstance(tree, torch.Tensor):
        return f(tree)
    if isinstance(tree, dict):
        return {key: tree_map(f, value) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return type(tree)(tree_map(f, value) for value in tree)
    return tree


def flatten(tree: Any) -> tuple[Any, list[torch.Tensor]]:
    """(structure, tensors): the structure is JSON, a tensor stands in it as its place in the list."""
    tensors: list[torch.Tensor] = []
    return _structure(tree, tensors), tensors


def _structure(node: Any, tensors: list[torch.Tensor]) -> Any:
    """The structure of a tree, whose tensors are appended to a list (no closure: it would be cyclic garbage)."""
    if isinstance(node, torch.Tensor):
        tensors.append(node)
        return {"tensor": len(tensors) - 1}
    if isinstance(node, dict):
        return {"dict": {key: _structure(value, tensors) for key, value in node.items()}}
    if isinstance(node, (list, tuple)):
        return {type(node).__name__: [_structure(value, tensors) for value in node]}
    return {"value": node}


def unflatten(structure: Any, tensors: list[torch.Tensor]) -> Any:
    """The inverse of `flatten`."""
    ((kind, content),) = structure.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: unflatten(value, tensors) for key, value in content.items()}
    if kind == "value":
        return content
    items = [unflatten(value, tensors) for value in content]
    return tuple(items) if kind == "tuple" else items


def nbytes(tree: Any) -> int:
    """Bytes of the tensors of a tree, as they go over a wire (no headers)."""
    return sum(tensor.numel() * tensor.element_size() for tensor in flatten(tree)[1])


def settled(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor without gaps in memory, images [B, C, H, W] with their channels innermost: the layout of a message.

    Several of torch's CPU kernels are much faster on images in that layout, and kernels of the two layouts round
    differently; so whatever crosses the net has one layout, whether or not it leaves the process.
    """
    return tensor.contiguous(memory_format=torch.channels_last if tensor.dim() == 4 else torch.contiguous_format)


def signature(tree: Any) -> Hashable:
    """Equal for two trees exactly when they can be stacked: same structure, shapes and dtypes."""
    if isinstance(tree, torch.Tensor):
        return tree.shape, tree.dtype
    if isinstance(tree, dict):
        return dict, tuple(tree), tuple(map(signature, tree.values()))
    if isinstance(tree, (list, tuple)):
        return type(tree), tuple(map(signature, tree))
    return repr(tree)


def stack(trees: list[Any]) -> Any:
    """One tree whose tensors have the given trees along a new first axis."""
    structure, _ = flatten(trees[0])
    columns = zip(*(flatten(tree)[1] for tree in trees), strict=True)
    return unflatten(structure, [torch.stack(column) for column in columns])


def concatenated(trees: list[Any]) -> Any:
    """Stacked trees of equal shapes one behind the other, along their first axis."""
    if len(trees) == 1:
        return trees[0]
    structure, _ = flatten(trees[0])
    columns = zip(*(flatten(tree)[1] for tree in trees), strict=True)
    return unflatten(structure, [torch.cat(column) for column in columns])


def unstack(tree: Any, count: int) -> list[Any]:
    """The inverse of `stack`; the tensors are views."""
    structure, tensors = flatten(tree)
    columns = [tensor.unbind(0) for tensor in tensors]
    return [unflatten(structure, [column[k] for column in columns]) for k in range(count)]
