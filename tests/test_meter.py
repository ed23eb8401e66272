"""FLOPs and memory of rehearsed rounds: against closed forms, torch's own counter, and counts by hand."""

from __future__ import annotations

import gc

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from swarmsim.local.passes import forward
from swarmsim.models.cnn import Cnn
from swarmsim.models.mlp import Mlp
from swarmsim.models.resnet import Resnet
from swarmsim.network.located import Group, Located
from swarmsim.rows import build
from swarmsim.runtime.apply import one_by_one
from swarmsim.runtime.costs import per_round
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.meter import Meter
from swarmsim.types import Part, Shard
from tests.jobs import blobs, job
from tests.methods import method

B, FLOAT, LONG = 16, 8, 8  # examples of a batch, bytes of float64 and int64


def metered(n: int = 1) -> tuple[Meter, Group]:
    meter = Meter()
    return meter, meter.group(Group("institution", tuple("abcdef"[:n]), range(n), one_by_one))


def cost(meter: Meter, group: Group, i: int = 0):
    return meter.costs([group], [], [])[group.names[i]]


def hollow(model, example):
    network = build(lambda: model.stages(example, 3), 0, torch.float64, "meta")
    return network, network.initial(), torch.zeros(B, *example, dtype=torch.float64, device="meta")


def there_and_back(network, differentiate_x=False):
    """A pass of an institution's model, and the way back from the sum of its squared outputs."""

    def f(i, weights, x):
        here = forward(network, weights, x, None, differentiate_x)
        here.backward_from(here.output.square().sum())

    return f


LINEAR = 2 * B * 6 * 8, 2 * B * 8 * 3  # multiply-adds of Linear(6, 8) and Linear(8, 3), twice


@pytest.mark.parametrize("input_too", [False, True])
def test_linear_layers_cost_their_closed_form(input_too):
    """Backward costs a forward for the weights, and another for the input where that is differentiated."""
    meter, group = metered()
    network, weights, x = hollow(Mlp(hidden=(8,)), (6,))
    group.each(there_and_back(network, input_too), Located({0: weights}), Located({0: x}))
    first, second = LINEAR
    assert cost(meter, group).flops == first + second + (2 if input_too else 1) * first + 2 * second


def test_a_convolution_costs_its_closed_form():
    """A residual network of width 4 on [2, 8, 8]: stem, two 3x3 convolutions over 64 places each, a linear head."""
    meter, group = metered()
    network, weights, x = hollow(Resnet(widths=(4,), blocks=1), (2, 8, 8))
    group.each(there_and_back(network), Located({0: weights}), Located({0: x}))
    stem, block, head = 2 * B * 64 * 9 * 2 * 4, 2 * (2 * B * 64 * 9 * 4 * 4), 2 * B * 4 * 3
    assert cost(meter, group).flops == 2 * stem + 3 * block + 3 * head


def test_a_stride_divides_what_a_convolution_costs():
    meter, group = metered()
    x = torch.zeros(B, 2, 8, 8, device="meta")
    layer = torch.nn.Conv2d(2, 5, 3, stride=2, padding=1, device="meta")
    group.each(lambda i, x: layer(x).detach(), Located({0: x}))
    assert cost(meter, group).flops == 2 * B * 16 * 9 * 2 * 5


def images(part: Part) -> Part:
    """The same examples as [4, 8, 8]."""
    return Part(part.x[:, :4, None, None].repeat(8, 2).repeat(8, 3), part.y)


IMAGES = [Shard(shard.name, *map(images, (shard.train, shard.validation, shard.test))) for shard in blobs((19, 8, 8))]


@pytest.mark.parametrize(
    ("model", "shards"),
    [
        (Mlp(hidden=(8, 5), batch_norm=True), blobs()),
        (Cnn(), IMAGES),
        (Resnet(widths=(4, 8), blocks=1), IMAGES),
        (Resnet(widths=(4,), blocks=2, norm="batch"), IMAGES),
    ],
    ids=["mlp", "cnn", "resnet", "resnet-batch"],
)
def test_a_rehearsal_costs_what_torch_counts_in_the_round(model, shards):
    """Trained on real numbers under torch's FlopCounterMode."""
    work = job(method("baseline/local", local_epochs=2), shards, model=model, rounds=1)
    with Inline() as runtime:
        runtime.start(work)
        with FlopCounterMode(display=False) as counter:
            runtime.advance(0, 1)
    assert 0 < counter.get_total_flops() == sum(each["flops"] for each in per_round(work)["participants"].values())


SPLIT = [
    ("split/vanilla", {"cut": 1}),
    ("split/vanilla", {"cut": 2, "serving": "interleaved"}),
    ("split/u_shaped", {"cut": (1, 2)}),
    ("split/splitfed_v1", {"cut": 1}),
    ("split/splitfed_v2", {"cut": 2}),
    ("split/horizontal", {"cut": 1, "serving": "concatenated", "institution_weights": "averaged_each_batch"}),
]


@pytest.mark.parametrize(("name", "arguments"), SPLIT)
def test_the_parts_of_a_split_model_cost_what_the_unsplit_one_does(name, arguments):
    alone = per_round(job(method("baseline/local"), blobs()))["participants"]
    split = per_round(job(method(name, **arguments), blobs()))["participants"]
    at_servers = sum(each["flops"] for name, each in split.items() if name.startswith("server"))
    assert sum(each["flops"] for each in split.values()) == sum(each["flops"] for each in alone.values())
    assert 0 < at_servers < sum(each["flops"] for each in split.values())
    assert all(0 < split[name]["flops"] < alone[name]["flops"] for name in alone)


def test_the_bottom_costs_its_share():
    """Cut behind Linear(6, 8) of Mlp(8, 5): a bottom computes forward and its weights' gradient, for every example."""
    found = per_round(job(method("split/vanilla", cut=1), blobs((37, 21, 48))))["participants"]
    bottoms = [2 * 2 * m * 6 * 8 for m in (37, 21, 48)]
    assert [found[f"institution-{i}"]["flops"] for i in range(3)] == bottoms
    assert found["server"]["flops"] == 3 * 2 * 106 * (8 * 5 + 5 * 3)


def test_who_computes_is_charged():
    found = per_round(job(method("baseline/pooled"), blobs()))["participants"]
    assert [name for name, each in found.items() if each["flops"]] == ["server"]
    assert [name for name, each in found.items() if each["memory"]["activations"]] == ["server"]


def test_members_of_equal_shapes_are_computed_once_and_charged_each():
    meter, group = metered(3)
    network, weights, x = hollow(Mlp(hidden=(8,)), (6,))
    calls = []

    def f(weights, x):
        calls.append(len(x))
        there_and_back(network)(0, weights, x)
        return x

    out = group.map(f, Located(dict.fromkeys(range(3), weights)), Located({0: x, 1: x[:4], 2: x}))
    assert calls == [B, 4]
    assert [len(out.values[i]) for i in range(3)] == [B, 4, B]
    costs = [cost(meter, group, i) for i in range(3)]
    assert costs[0] == costs[2]
    assert costs[0].flops == 4 * costs[1].flops > 0
    assert costs[0].activations == 4 * costs[1].activations > 0


def test_sub_groups_are_metered_too():
    meter, group = metered(3)
    product = torch.zeros(2, 3, device="meta")
    group.only([1]).only([1]).each(lambda i, x: x @ x.T, Located({1: product}))
    assert [cost(meter, group, i).flops for i in range(3)] == [0, 2 * 2 * 3 * 2, 0]
    assert group.only([2, 0]).members == (2, 0)


def test_autograd_of_ones_own_is_counted():
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x)
            return x @ w

        @staticmethod
        def backward(ctx, gradient):
            (x,) = ctx.saved_tensors
            return None, x.T @ gradient

    def f(i, x, w):
        torch.autograd.grad(Twice.apply(x, w.requires_grad_()).sum(), w)

    meter, group = metered()
    x, w = torch.zeros(5, 3, device="meta"), torch.zeros(3, 2, device="meta")
    group.each(f, Located({0: x}), Located({0: w}))
    assert cost(meter, group)[0] == 2 * (2 * 5 * 3 * 2)
    assert cost(meter, group).activations == 5 * 3 * 4


# --------------------------------------------------------------------------------------------------- memory

KEPT = B * (6 + 8 + 3) * FLOAT  # the batch; the hidden layer, for ReLU and for Linear at once; the output, squared


def test_activations_of_linear_relu_linear_by_hand():
    meter, group = metered()
    network, weights, x = hollow(Mlp(hidden=(8,)), (6,))
    for _ in range(3):  # one after another: the peak is that of one
        group.each(there_and_back(network), Located({0: weights}), Located({0: x}))
    assert cost(meter, group).activations == KEPT


def test_a_pass_that_waits_keeps_its_activations_until_its_gradient_comes():
    meter, group = metered()
    network, weights, x = hollow(Mlp(hidden=(8,)), (6,))
    held, inputs = Located({0: weights}), Located({0: x})
    gradient = torch.zeros(B, 3, dtype=torch.float64, device="meta")
    waits = B * (6 + 8) * FLOAT  # nothing is squared here

    def there():
        return group.each(lambda i, weights, x: forward(network, weights, x.clone(), None, False), held, inputs)

    def back(passes):
        group.each(lambda i, here: here.backward(gradient), passes)

    gc.disable()  # what is over is let go of at once
    try:
        first = there()
        back(first)
        del first
        back(there())
        assert cost(meter, group).activations == waits
        both = there(), there()
        assert cost(meter, group).activations == 2 * waits
        for passes in both:
            back(passes)
        back(there())
        assert cost(meter, group).activations == 2 * waits
    finally:
        gc.enable()


def test_what_shares_memory_with_others_is_charged_for_its_own_piece():
    """Four institutions' gradients are slices of one tensor; and an expanded number is one number."""
    meter, group = metered(4)
    pieces = torch.zeros(8, 3, device="meta").split(2)
    group.each(lambda i, x: x.detach().requires_grad_().square(), Located(dict(enumerate(pieces))))
    assert [cost(meter, group, i).activations for i in range(4)] == [2 * 3 * 4] * 4
    meter, group = metered()
    one = torch.zeros(1, device="meta").expand(1000)
    group.each(lambda i, x: x.detach().requires_grad_().square(), Located({0: one}))
    assert cost(meter, group).activations == 4


def test_rows_and_examples_by_hand():
    """Momentum doubles the row; an example has 6 features and a label; the server holds the model it averages."""
    parameters = 6 * 8 + 8 + 8 * 5 + 5 + 5 * 3 + 3
    found = per_round(job(method("baseline/fedavg", optimizer_state="keep"), blobs((37, 21, 48))))["participants"]
    for i, m in enumerate((37, 21, 48)):
        memory = found[f"institution-{i}"]["memory"]
        assert memory["rows"] == 2 * parameters * FLOAT
        assert memory["examples"] == m * (6 * FLOAT + LONG)
    assert found["server"]["memory"] == {"rows": parameters * FLOAT, "examples": 0, "activations": 0}


def test_a_bottom_needs_less_memory_than_the_model():
    """The labels are kept for the loss, so the bottom's institution keeps batch and hidden layer: 6 + 8 numbers."""
    found = per_round(job(method("split/vanilla", cut=1, batch=16), blobs()))["participants"]
    assert found["institution-0"]["memory"]["activations"] == 16 * (6 + 8) * FLOAT
