"""Stages that cannot be laid out as a row, or do not follow on each other, are refused by name."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from swarmsim.models.mlp import Mlp
from swarmsim.models.resnet import Resnet
from swarmsim.rows import build
from swarmsim.stages import draws_numbers, sound, try_out
from swarmsim.types import InputError


class Holds(nn.Module):
    """A module with these parameters and buffers, which gives what it is given."""

    def __init__(self, buffers=(), **parameters) -> None:
        super().__init__()
        for name, tensor in parameters.items():
            self.register_parameter(name, tensor)
        for name, tensor in dict(buffers).items():
            self.register_buffer(name, tensor)

    def forward(self, x):
        return x


class Does(nn.Module):
    """A function of the input as a module."""

    def __init__(self, f) -> None:
        super().__init__()
        self.f = f

    def forward(self, x):
        return self.f(x)


def fixed(tensor: torch.Tensor) -> nn.Parameter:
    return nn.Parameter(tensor, requires_grad=False)


LINE, ONE = nn.Linear(4, 4), nn.Parameter(torch.ones(2))
MASK, COUNT = ("mask", torch.ones(2, dtype=torch.bool)), ("count", torch.zeros((), dtype=torch.int64))


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        (None, "stages must return a list of pairs"),
        ([], "at least one"),
        ([LINE], r"list\(module.named_children\(\)\)"),
        (nn.Sequential(LINE), "stages must return a list of pairs"),
        ([("a", LINE), ("b", nn.functional.relu)], "stage 'b': must be a torch.nn.Module, got function"),
        ([("a", nn.Linear)], "stage 'a': must be a torch.nn.Module, got type"),
        ([("a", nn.ReLU()), ("a", LINE)], "stage 'a': two stages have this name"),
        ([("a.b", LINE)], "stage 'a.b': its name must be a text without dots"),
        ([(1, LINE)], "stage 1: its name must be a text"),
        ([("", LINE)], "stage '': its name must be a text"),
        ([("a", LINE), ("b", LINE)], "stage 'b': b.weight and a.weight are one tensor"),
        ([("a", Holds(x=ONE)), ("b", nn.Sequential(Holds(y=ONE)))], "stage 'b': b.0.y and a.x are one tensor"),
        ([("a", Holds(x=ONE, y=ONE))], "stage 'a': a.y and a.x are one tensor"),
        ([("a", Holds(x=fixed(torch.ones(2, dtype=torch.int64))))], "stage 'a': the parameter a.x is int64, not float"),
        ([("a", Holds(x=fixed(torch.ones(2))))], "stage 'a': a.x is frozen, but a row is trained whole"),
        ([("a", nn.LazyLinear(3))], "stage 'a': the size of a.weight is not known yet"),
        ([("a", Holds([MASK])), ("b", Holds([COUNT]))], "stage 'b': .* a.mask is bool and b.count is int64"),
    ],
)
def test_stages_that_fit_into_no_row(stages, says):
    with pytest.raises(InputError, match=says):
        build(lambda: stages, 0, torch.float32)


def test_one_module_used_twice_within_a_stage_is_one_tensor():
    twice = nn.Sequential(LINE, nn.ReLU(), LINE)
    assert sound([("a", twice)]) == [("a", twice)]
    built = build(lambda: [("a", nn.Sequential(LINE, nn.ReLU(), LINE))], 0, torch.float64)
    assert built.params.size == 20
    x = torch.randn(3, 4, dtype=torch.float64)
    assert torch.equal(built.forward(built.initial(), x, train=False)[0], twice(x))


def test_a_mask_is_a_buffer_like_any():
    """A boolean buffer stays boolean through a row."""
    built = build(lambda: [("a", Holds([MASK]))], 0, torch.float32)
    built.forward(built.initial(), torch.zeros(1), train=True)
    assert built.stages[0][1].mask.dtype == torch.bool


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        (nn.Linear(5, 2), r"stage 'odd': given \[3, 4\] \(3 examples\), it raised RuntimeError: mat1 and mat2"),
        (Does(lambda x: x.reshape(-1)), r"stage 'odd': must give one row for each example, .* it gives \[12\]"),
        (Does(lambda x: x.mean()), r"stage 'odd': must give one row for each example, .* it gives \[\]"),
        (Does(lambda x: x.repeat(2, 1)), r"for \[3, 4\] it gives \[6, 4\]"),
        (Does(lambda x: (x, x)), "stage 'odd': must give one tensor of floats, got tuple"),
        (Does(lambda x: x.long()), r"must give one tensor of floats, got torch.int64"),
        (Does(lambda x: None), "got NoneType"),
        (Does(lambda x: x + torch.randn_like(x)), "stage 'odd': draws random numbers"),
        (Does(lambda x: nn.functional.dropout(x, 0.5, training=True)), "stage 'odd': draws random numbers"),
        (nn.Sequential(nn.Dropout(0.5), Does(lambda x: x + torch.rand_like(x))), "stage 'odd': draws random numbers"),
    ],
)
def test_stages_that_do_not_follow_on_each_other(stage, says):
    stages = [("first", nn.Linear(6, 4)), ("odd", stage), ("last", nn.Linear(4, 2))]
    with pytest.raises(InputError, match=says):
        try_out(stages, (6,), 2)


def test_the_last_stage_gives_an_output_for_each_class():
    with pytest.raises(InputError, match=r"stage 'last': the last stage must give \[B, 3\].* it gives \[3, 2\]"):
        try_out([("last", nn.Linear(6, 2))], (6,), 3)


@pytest.mark.parametrize("model", [(Mlp(batch_norm=True, dropout=0.5), (6,)), (Resnet(widths=(4, 6)), (2, 8, 8))])
def test_a_trial_accepts_models_and_leaves_the_worlds_random_numbers_alone(model):
    arguments, example = model
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    built = build(lambda: arguments.stages(example, 5), 0, torch.float32)
    before = built.initial()
    try_out(built.stages, example, 5)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(before[kind], built.initial()[kind]) for kind in before)


@pytest.mark.parametrize(
    ("module", "draws"),
    [
        (nn.Linear(2, 2), False),
        (nn.Dropout(0.0), False),
        (nn.Sequential(nn.ReLU(), nn.Dropout(0.1)), True),
        (nn.MultiheadAttention(4, 2), False),
        (nn.MultiheadAttention(4, 2, dropout=0.1), True),
        (nn.LSTM(2, 2, num_layers=2, dropout=0.1), True),
        (nn.TransformerEncoderLayer(4, 2, 4, dropout=0.1), True),
        (nn.TransformerEncoderLayer(4, 2, 4, dropout=0.0), False),
    ],
)
def test_dropout_is_found_wherever_torch_keeps_it(module, draws):
    assert draws_numbers(module) is draws
