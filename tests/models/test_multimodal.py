"""The chain of stages is the model written out by hand, and a stage alone gives what an institution sends."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional

from swarmsim.models.multimodal import Multimodal
from swarmsim.rows import build
from swarmsim.stages import try_out
from swarmsim.types import Block, Federation, InputError, Part, Shard

BLOCKS = (Block("history", (3,)), Block("imaging", (1, 8, 8)), Block("laboratory", (5,)), Block("scan", (4, 6)))
SPANS = (slice(0, 3), slice(3, 67), slice(67, 72), slice(72, 96))
FUSIONS = ("concat", "sum", "mean", "max")


def network(model: Multimodal, blocks=BLOCKS, outputs: int = 2, seed: int = 3):
    return build(lambda: model.stages(blocks, outputs), seed, torch.float64)


def small(**arguments: object) -> Multimodal:
    return Multimodal(**{"width": 4, "hidden": (6,), "channels": (2, 3), "head": (7,)} | arguments)


def examples(b: int = 5) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(b, 96, dtype=torch.float64)


def tensors(net, row: torch.Tensor) -> dict[str, torch.Tensor]:
    return {slot.name: row[slot.offset : slot.offset + slot.size].view(slot.shape) for slot in net.params.slots}


def table_features(w: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    """relu(V relu(U x + u) + v), by matrix products."""
    hidden = (x @ w[f"{name}.features.0.weight"].T + w[f"{name}.features.0.bias"]).clamp(min=0)
    return (hidden @ w[f"{name}.features.2.weight"].T + w[f"{name}.features.2.bias"]).clamp(min=0)


def image_features(w: dict, name: str, x: torch.Tensor) -> torch.Tensor:
    """Convolutions, ReLU and pooling in order, with the weights in the order of the layers."""
    held = [tensor for key, tensor in w.items() if key.startswith(f"{name}.features.")]
    for kernel, bias in zip(held[0:4:2], held[1:4:2], strict=True):
        x = functional.max_pool2d(functional.conv2d(x, kernel, bias, padding=1).clamp(min=0), 2)
    return (x.flatten(1) @ held[4].T + held[5]).clamp(min=0)


def by_hand(net, row: torch.Tensor, x: torch.Tensor, fusion: str) -> torch.Tensor:
    """The whole model without a chain: four sub-networks, a fusion, a head."""
    w = tensors(net, row)
    h = [
        table_features(w, "history", x[:, 0:3]),
        image_features(w, "imaging", x[:, 3:67].reshape(-1, 1, 8, 8)),
        table_features(w, "laboratory", x[:, 67:72]),
        image_features(w, "scan", x[:, 72:96].reshape(-1, 1, 4, 6)),
    ]
    joined = {
        "concat": lambda: torch.cat(h, 1),
        "sum": lambda: h[0] + h[1] + h[2] + h[3],
        "mean": lambda: (h[0] + h[1] + h[2] + h[3]) / 4,
        "max": lambda: torch.maximum(torch.maximum(h[0], h[1]), torch.maximum(h[2], h[3])),
    }[fusion]()
    head = [tensor for key, tensor in w.items() if key.split(".")[0] in ("hidden1", "output")]
    return (joined @ head[0].T + head[1]).clamp(min=0) @ head[2].T + head[3]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_the_chain_is_the_model_by_hand_with_its_gradient(fusion):
    net, x = network(small(fusion=fusion)), examples()
    assert net.names == ("history", "imaging", "laboratory", "scan", "hidden1", "output")
    gradients = []
    for predict in (
        lambda row: net.forward({**net.initial(), "params": row}, x, train=True)[0],
        lambda row: by_hand(net, row, x, fusion),
    ):
        row = net.initial()["params"].requires_grad_()
        outputs = predict(row)
        assert outputs.shape == (5, 2)
        gradients.append((outputs.detach(), torch.autograd.grad(outputs.square().sum(), row)[0]))
    (ours, our_gradient), (theirs, their_gradient) = gradients
    assert torch.allclose(ours, theirs, rtol=0, atol=1e-12)
    assert torch.allclose(our_gradient, their_gradient, rtol=0, atol=1e-12)
    assert (our_gradient != 0).double().mean() > 0.5


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("cut", range(1, 6))
def test_any_cut_gives_the_same_output(fusion, cut):
    net, x = network(small(fusion=fusion)), examples()
    middle = net.segment(0, cut).forward(net.segment(0, cut).initial(), x, train=False)[0]
    behind = net.segment(cut, 6)
    assert torch.equal(
        behind.forward(behind.initial(), middle, train=False)[0], net.forward(net.initial(), x, train=False)[0]
    )


def test_a_stage_with_its_own_columns_alone_gives_its_part_of_the_joined_features():
    net, x = network(small()), examples()
    trunk = net.segment(0, 4)
    joined = trunk.forward(trunk.initial(), x, train=False)[0]
    assert joined.shape == (5, 4 * 4)
    for k, own in enumerate(SPANS):
        stage = net.segment(k, k + 1)
        sent = stage.forward(stage.initial(), x[:, own], train=False)[0]
        assert sent.shape == (5, 4)
        assert torch.allclose(sent, joined[:, 4 * k : 4 * k + 4], rtol=0, atol=1e-12)


def test_a_value_of_one_block_reaches_its_own_features_only():
    net, x = network(small()), examples()
    trunk, moved = net.segment(0, 4), x.clone()
    moved[:, SPANS[2]] += 1
    before, after = (trunk.forward(trunk.initial(), value, train=False)[0] for value in (x, moved))
    changed = (before != after).any(0)
    assert changed[8:12].any()
    assert not changed[:8].any() and not changed[12:].any()


# ----------------------------------------------------------------------------------- missing blocks


def without(x: torch.Tensor, block: int, patients: list[int]) -> torch.Tensor:
    x = x.clone()
    x[patients, SPANS[block]] = torch.nan
    return x


@pytest.mark.parametrize("missing", ["zero", "placeholder"])
@pytest.mark.parametrize("fusion", FUSIONS)
def test_features_of_a_missing_block_are_zero_or_the_placeholder(missing, fusion):
    net, x = network(small(missing=missing, fusion=fusion)), examples()
    weights = net.initial()
    row = weights["params"].clone()
    vector = torch.zeros(4, dtype=torch.float64)
    if missing == "placeholder":
        vector += torch.tensor([3.0, -1.0, 0.5, 2.0])
        tensors(net, row)["imaging.absent"][:] = vector
    trunk, gone = net.segment(0, 4), without(x, 1, [0, 3])
    size = trunk.params.size
    out = trunk.forward({**trunk.initial(), "params": row[:size]}, gone, train=False)[0]
    whole = trunk.forward({**trunk.initial(), "params": row[:size]}, x, train=False)[0]
    assert torch.equal(out[[0, 3], 4:8], vector.expand(2, 4))
    out[[0, 3], 4:8] = whole[[0, 3], 4:8]
    assert torch.equal(out, whole)  # nothing else moved
    assert net.forward({**weights, "params": row}, gone, train=False)[0].isfinite().all()


@pytest.mark.parametrize("missing", ["zero", "placeholder"])
def test_a_patient_without_a_block_teaches_that_block_nothing_but_its_placeholder(missing):
    net = network(small(missing=missing))
    x, row = without(examples(2), 0, [0, 1]), net.initial()["params"].requires_grad_()
    loss = net.forward({**net.initial(), "params": row}, x, train=True)[0].square().sum()
    gradient = tensors(net, torch.autograd.grad(loss, row)[0])
    assert all(value.isfinite().all() for value in gradient.values())
    assert not any(value.any() for name, value in gradient.items() if name.startswith("history.features"))
    assert gradient["laboratory.features.0.weight"].any()
    if missing == "placeholder":
        assert gradient["history.absent"].any()
        assert not gradient["laboratory.absent"].any()  # nobody lacks it


def test_a_placeholder_starts_as_zero_does():
    gone = without(examples(), 2, [1])
    zero, placeholder = (network(small(missing=m)) for m in ("zero", "placeholder"))
    first, second = (net.forward(net.initial(), gone, train=False)[0] for net in (zero, placeholder))
    assert torch.equal(first, second)
    assert placeholder.params.size == zero.params.size + 4 * 4


def test_without_missing_blocks_all_three_choices_are_one_model():
    nets = [network(small(missing=m)) for m in ("refuse", "zero", "placeholder")]
    outputs = [net.forward(net.initial(), examples(), train=False)[0] for net in nets]
    assert all(torch.equal(outputs[0], other) for other in outputs[1:])


def federation(x: np.ndarray) -> Federation:
    """Two blocks of two columns; the label holder is the second."""
    y, nobody = np.zeros(len(x), np.int64), Part(x[:0], np.zeros(0, np.int64))
    first = Shard("a", Part(x[:, :2], np.zeros((len(x), 0))), nobody, nobody)
    second = Shard("b", Part(x[:, 2:], y), nobody, Part(x, y))
    return Federation((first, second), ("0", "1"), blocks=(Block("a", (2,)), Block("b", (2,))), label_holder=1)


def test_data_with_missing_blocks_is_refused_until_something_is_said():
    x = np.ones((3, 4), np.float32)
    Multimodal().check(federation(x))
    x[1, 2:] = np.nan
    with pytest.raises(InputError, match=r"2 patients have no b, all of its columns.*missing: zero"):
        Multimodal().check(federation(x))  # once in training, once in test
    Multimodal(missing="zero").check(federation(x))
    Multimodal(missing="placeholder").check(federation(x))


# ------------------------------------------------------------------------------------------ the rest


@pytest.mark.parametrize("head", [(), (5,), (6, 5)])
@pytest.mark.parametrize(("fusion", "hidden"), itertools.product(FUSIONS, [(), (3, 4)]))
def test_sizes(head, fusion, hidden):
    model = small(head=head, fusion=fusion, hidden=hidden)
    net = network(model, outputs=3)
    assert net.names == ("history", "imaging", "laboratory", "scan", *(f"hidden{k + 1}" for k in range(len(head))),
                         "output")  # fmt: skip
    try_out(model.stages(BLOCKS, 3), (96,), 3)
    joined = 16 if fusion == "concat" else 4
    widths = [joined, *head, 3]
    expected = sum(a * b + b for a, b in itertools.pairwise(widths))
    for k in (3, 5):
        expected += sum(a * b + b for a, b in itertools.pairwise([k, *hidden, 4]))
    for flat in (3 * 2 * 2, 3 * 1 * 1):
        expected += (2 * 9 + 2) + (3 * 2 * 9 + 3) + (flat * 4 + 4)
    assert net.params.size == expected


def test_dropout_is_in_every_part_and_quiet_in_evaluation():
    net = network(small(dropout=0.5, head=(7,)))
    assert net.draws == [True, True, True, True, True, False]
    a, b = (net.forward(net.initial(), examples(), train=True, seed=(s, "dropout", 0))[0] for s in (0, 1))
    assert not torch.equal(a, b)
    a, b = (net.forward(net.initial(), examples(), train=False)[0] for _ in range(2))
    assert torch.equal(a, b)


def test_many_institutions_at_once():
    """vmap over rows, as the packed runtime does it."""
    net = network(small(missing="placeholder", fusion="max"))
    rows = torch.stack([net.initial()["params"], net.initial()["params"] * 0.5])
    batches = torch.stack([examples(), without(examples(), 3, [2])])

    def predict(row: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return net.forward({**net.initial(), "params": row}, x, train=False)[0]

    together = torch.func.vmap(predict)(rows, batches)
    apart = torch.stack([predict(row, x) for row, x in zip(rows, batches, strict=True)])
    assert torch.allclose(together, apart, rtol=0, atol=1e-12)


@pytest.mark.parametrize("example", [(13,), (1, 8, 8), ()])
def test_other_data_is_refused(example):
    with pytest.raises(InputError, match=r"model multimodal: needs vertical data.*\{use: vertical, blocks"):
        Multimodal().stages(example, 2)


@pytest.mark.parametrize("shape", [(3, 3), (1, 3, 8), (2, 4, 4, 4)])
def test_blocks_that_are_no_images(shape):
    with pytest.raises(InputError, match=r"block 'scan' is \[.*sides of at least 4"):
        Multimodal().stages((Block("a", (2,)), Block("scan", shape)), 2)
