"""Parts composed are the whole: outputs, gradients, statistics, bit for bit, at every cut (traps 5, 6, 12, 13)."""

from __future__ import annotations

import itertools

import pytest
import torch

from swarmsim.local.halves import compose
from swarmsim.local.passes import forward, gradient
from swarmsim.models.cnn import Cnn
from swarmsim.models.mlp import Mlp
from swarmsim.models.resnet import Resnet
from swarmsim.rows import build
from swarmsim.tasks.classification import Classification

SEED = (7, "dropout", 0, 1, 2)
MODELS = {
    "mlp": (Mlp(hidden=(7, 6, 5), batch_norm=True, dropout=0.3), (9,)),
    "mlp of images": (Mlp(hidden=(7,), activation="gelu", dropout=0.2), (1, 4, 4)),
    "cnn": (Cnn(channels=(4, 6), dense=7, norm="batch", dropout=0.3), (2, 8, 8)),
    "cnn group": (Cnn(channels=(4, 6), dense=7, norm="group"), (2, 8, 8)),
    "resnet batch": (Resnet(widths=(4, 6), blocks=1, norm="batch"), (2, 8, 8)),
    "resnet group": (Resnet(widths=(4, 6), blocks=2, norm="group"), (2, 8, 8)),
    "cnn grey": (Cnn(channels=(4, 6), dense=7, norm="batch", dropout=0.3), (1, 8, 8)),
    "cnn of one channel": (Cnn(channels=(1, 5), dense=7, norm="group"), (1, 8, 8)),
    "resnet grey": (Resnet(widths=(4, 6), blocks=1, norm="batch"), (1, 28, 28)),
    "resnet of one channel": (Resnet(widths=(1, 6), blocks=1, norm="batch"), (3, 8, 8)),
}
NETWORKS = {name: build(lambda m=m, e=e: m.stages(e, 3), 5, torch.float64) for name, (m, e) in MODELS.items()}
CUTS = [
    (name, cuts)
    for name, network in NETWORKS.items()
    for many in (1, 2)
    for cuts in itertools.combinations(range(1, len(network.names)), many)
]


def batch(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(3)
    return torch.randn(5, *MODELS[name][1], dtype=torch.float64), torch.tensor([0, 2, 1, 1, 0])


def taken_apart(name: str, cuts: tuple[int, ...]) -> list:
    network = NETWORKS[name]
    ends = [0, *cuts, len(network.names)]
    return [network.segment(a, b) for a, b in itertools.pairwise(ends)]


def stepwise(segments: list, x: torch.Tensor, y: torch.Tensor) -> tuple:
    """(loss, gradient, weights after): each part differentiated at its holder, only rows crossing."""
    passes = []
    for segment in segments:
        passes.append(forward(segment, segment.initial(), x, SEED, differentiate_x=bool(passes)))
        x = passes[-1].output.detach()
    loss = Classification().loss(passes[-1].output, y)
    gradients, (row, back) = [], passes[-1].backward_from(loss)
    gradients.append(row)
    for here in passes[-2::-1]:
        row, back = here.backward(back)
        gradients.append(row)
    return loss.detach(), torch.cat(gradients[::-1]), compose([here.after for here in passes])


@pytest.mark.parametrize(("name", "cuts"), CUTS)
def test_parts_give_the_loss_the_gradient_and_the_statistics_of_the_whole(name, cuts):
    network, (x, y) = NETWORKS[name], batch(name)
    grad, loss, after = gradient(network, Classification().loss, network.initial(), x, y, SEED)
    split_loss, split_grad, split_after = stepwise(taken_apart(name, cuts), x, y)
    assert torch.equal(split_loss.reshape(1), loss)
    for slot in network.params.slots:
        here = slice(slot.offset, slot.offset + slot.size)
        assert torch.equal(split_grad[here], grad[here]), slot.name
    assert all(torch.equal(split_after[kind], after[kind]) for kind in after)
    assert grad.abs().min() >= 0 and grad.abs().sum() > 0


@pytest.mark.parametrize(("name", "cuts"), CUTS)
def test_parts_start_as_slices_of_the_whole_and_predict_what_it_predicts(name, cuts):
    network, (x, _), segments = NETWORKS[name], batch(name), taken_apart(name, cuts)
    start = compose([segment.initial() for segment in segments])
    assert all(torch.equal(start[kind], row) for kind, row in network.initial().items())
    whole = network.forward(network.initial(), x, train=False)[0]
    for segment in segments:
        x = segment.forward(segment.initial(), x, train=False)[0]
    assert torch.equal(x, whole)


@pytest.mark.parametrize("name", MODELS)
def test_the_whole_is_the_chain_of_modules_that_torch_differentiates(name):
    """Against autograd on ordinary parameters: no rows, no views."""
    from swarmsim.rng import seed_for

    network, (model, example), (x, y) = NETWORKS[name], MODELS[name], batch(name)
    torch.manual_seed(seed_for(5, "init"))
    stages = [module.double() for _, module in model.stages(example, 3)]
    hidden = x
    for place, module in enumerate(stages):
        if network.draws[place]:
            torch.manual_seed(seed_for(*SEED, place))
        hidden = module(hidden)
    loss = torch.nn.functional.cross_entropy(hidden, y)
    loss.backward()
    expected = torch.cat([p.grad.flatten() for module in stages for p in module.parameters()])
    grad, value, _ = gradient(network, Classification().loss, network.initial(), x, y, SEED)
    assert torch.allclose(value[0], loss.detach(), rtol=0, atol=1e-14)
    assert torch.allclose(grad, expected, rtol=0, atol=1e-14)  # convolutions round by where their weights lie in memory


@pytest.mark.parametrize("name", ["mlp", "cnn", "resnet batch"])
def test_a_pass_leaves_the_weights_it_was_given(name):
    network, (x, y) = NETWORKS[name], batch(name)
    given = network.initial()
    kept = {kind: row.clone() for kind, row in given.items()}
    _, _, after = gradient(network, Classification().loss, given, x, y, SEED)
    assert all(torch.equal(given[kind], kept[kind]) for kind in given)
    assert not torch.equal(after["buffers"], kept["buffers"])
    assert torch.equal(after["counters"], kept["counters"] + 1)


def test_dropout_masks_belong_to_an_address_and_differ_between_addresses():
    network, (x, _) = NETWORKS["mlp"], batch("mlp")
    one, again, other = (network.forward(network.initial(), x, True, (*SEED[:-1], k))[0] for k in (0, 0, 1))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_building_a_network_leaves_the_generator_of_the_process_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build(lambda: MODELS["mlp"][0].stages((9,), 3), 5, torch.float64)
    assert torch.equal(torch.rand(3), expected)
