"""Trees survive flattening, JSON and stacking."""

from __future__ import annotations

import json

import pytest
import torch

from swarmsim.trees import flatten, nbytes, settled, signature, stack, tree_map, unflatten, unstack
from tests.comparing import digest

TREE = {
    "weights": {"params": torch.arange(5.0), "counters": torch.tensor([7])},
    "plain": [1, 2.5, "three", None, True, ()],
    "pair": (torch.zeros(2, 0), [torch.ones(2, 3, dtype=torch.float64)]),
}


def test_unflatten_is_the_inverse_of_flatten_even_through_json():
    structure, tensors = flatten(TREE)
    again = unflatten(json.loads(json.dumps(structure)), tensors)
    assert digest(again) == digest(TREE)
    assert isinstance(again["pair"], tuple)
    assert again["plain"] == [1, 2.5, "three", None, True, ()]
    assert len(tensors) == 4


def test_a_dict_that_looks_like_a_structure_stays_a_dict():
    tree = {"tensor": {"dict": 1}, "value": torch.ones(1)}
    structure, tensors = flatten(tree)
    assert digest(unflatten(structure, tensors)) == digest(tree)


def test_bytes_are_those_of_the_elements_and_not_of_the_storage():
    assert nbytes(TREE) == 5 * 4 + 8 + 0 + 6 * 8
    assert nbytes(torch.zeros(1000)[3:5]) == 8
    assert nbytes({"none": None, "number": 3}) == 0


def test_a_map_reaches_every_tensor_and_leaves_the_rest():
    doubled = tree_map(lambda tensor: tensor * 2, TREE)
    assert doubled["weights"]["params"].tolist() == [0, 2, 4, 6, 8]
    assert doubled["plain"] == TREE["plain"]
    assert TREE["weights"]["params"].tolist() == [0, 1, 2, 3, 4]


def test_stacked_trees_come_apart_as_they_were():
    trees = [tree_map(lambda tensor, k=k: tensor + k, TREE) for k in range(3)]
    together = stack(trees)
    assert together["weights"]["params"].shape == (3, 5)
    assert [digest(tree) for tree in unstack(together, 3)] == [digest(tree) for tree in trees]


@pytest.mark.parametrize(
    "other",
    [{"a": torch.zeros(3)}, {"b": torch.zeros(2)}, {"a": torch.zeros(2, dtype=torch.float64)}, {"a": [torch.zeros(2)]},
     {"a": torch.zeros(2), "n": 1}],
)  # fmt: skip
def test_trees_of_another_structure_shape_or_dtype_have_another_signature(other):
    assert signature({"a": torch.ones(2)}) == signature({"a": torch.zeros(2)})
    assert signature({"a": torch.ones(2)}) != signature(other)


def test_a_settled_tensor_has_no_gaps_and_channels_innermost():
    images = torch.randn(6, 2, 4, 5)[1:4]
    assert torch.equal(settled(images), images)
    assert settled(images).permute(0, 2, 3, 1).is_contiguous()
    matrix = torch.randn(3, 4).t()
    assert settled(matrix).is_contiguous()
    assert torch.equal(settled(matrix), matrix)
