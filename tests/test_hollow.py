"""Operations on tensors without content are answered as torch answers them, the first time and the second."""

from __future__ import annotations

import pytest
import torch

from swarmsim.runtime import hollow
from swarmsim.runtime.hollow import answer

aten = torch.ops.aten
META = torch.empty(4, 6, device="meta")
IMAGES = torch.empty(2, 3, 8, 8, device="meta").to(memory_format=torch.channels_last)
CALLS = {
    "mm": (aten.mm.default, (META, META.t()), {}),
    "transposed": (aten.mm.default, (META.t(), META), {}),
    "relu": (aten.relu.default, (IMAGES,), {}),
    "cat": (aten.cat.default, ([META, META[:1]],), {}),
    "sum": (aten.sum.dim_IntList, (META, [0]), {"dtype": torch.float64}),
    "pool": (aten.max_pool2d_with_indices.default, (IMAGES, [2, 2]), {}),
    "loss": (aten._log_softmax.default, (META, 1, False), {}),
    "convolution": (
        aten.convolution.default,
        (IMAGES, torch.empty(5, 3, 3, 3, device="meta"), None, [1, 1], [1, 1], [1, 1], False, [0, 0], 1), {},
    ),
}  # fmt: skip


def look(value) -> list:
    outputs = value if isinstance(value, (tuple, list)) else [value]
    return [(o.shape, o.stride(), o.dtype, o.device) for o in outputs]


@pytest.mark.parametrize("name", CALLS)
def test_the_second_answer_is_the_first_one_in_new_memory(name):
    func, args, kwargs = CALLS[name]
    hollow._seen.clear()
    first, second = answer(func, args, kwargs), answer(func, args, kwargs)
    assert len(hollow._seen) == 1
    assert look(first[0]) == look(second[0]) == look(func(*args, **kwargs))
    assert isinstance(second[0], tuple) == isinstance(first[0], tuple)
    assert first[1] == second[1]
    assert (first[1] > 0) == (name in ("mm", "transposed", "convolution"))


def test_shapes_strides_and_numbers_are_told_apart():
    hollow._seen.clear()
    for size in ((4, 6), (6, 4)):
        assert answer(aten.relu.default, (torch.empty(size, device="meta"),), {})[0].shape == size
    assert answer(aten.relu.default, (META.t(),), {})[0].stride() == META.t().stride()
    sums = [answer(aten.sum.dim_IntList, (META, [dim]), {})[0].shape for dim in (0, 1)]
    assert sums == [(6,), (4,)]


def test_views_and_numbers_with_content_are_not_remembered():
    hollow._seen.clear()
    view, _ = answer(aten.t.default, (META,), {})
    assert view.untyped_storage() == META.untyped_storage()
    real, _ = answer(aten.mul.Tensor, (torch.ones(2), torch.full((2,), 3.0)), {})
    assert real.tolist() == [3.0, 3.0]
    assert not hollow._seen


def test_it_forgets(monkeypatch):
    hollow._seen.clear()
    monkeypatch.setattr(hollow, "REMEMBERED", 3)
    for n in range(1, 9):
        answer(aten.relu.default, (torch.empty(n, device="meta"),), {})
    assert len(hollow._seen) <= 3
