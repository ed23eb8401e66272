"""The layout of a model's row, and where it may be cut."""

from __future__ import annotations

import pytest
import torch

from swarmsim.models.mlp import Mlp
from swarmsim.models.resnet import Resnet
from swarmsim.rows import build, resolve_cut
from swarmsim.types import InputError

NAMES = ("hidden1", "hidden2", "output")
MODELS = {
    "mlp": (Mlp(hidden=(4, 3), batch_norm=True), (6,)),
    "resnet": (Resnet(widths=(4, 6), norm="batch"), (2, 8, 8)),
}


def network(name: str = "mlp", seed: int = 0):
    model, example = MODELS[name]
    return build(lambda: model.stages(example, 3), seed, torch.float32)


def test_the_layout_names_every_tensor_once_without_gaps():
    kinds = {
        "params": ["weight", "bias"],
        "buffers": ["running_mean", "running_var"],
        "counters": ["num_batches_tracked"],
    }
    for kind, names in kinds.items():
        slots = [line for line in network().layout() if line["row"] == kind]
        offset = 0
        for line in slots:
            assert line["offset"] == offset
            assert line["name"].rsplit(".", 1)[1] in names
            offset += torch.Size(line["shape"]).numel()
        assert offset == network().initial()[kind].numel()
        assert len({line["name"] for line in slots}) == len(slots)


def test_the_layout_of_the_mlp_is_the_one_that_readers_rely_on():
    lines = [(line["name"], line["shape"], line["offset"]) for line in network().layout() if line["row"] == "params"]
    assert lines == [
        ("hidden1.0.weight", [4, 6], 0), ("hidden1.0.bias", [4], 24), ("hidden1.1.weight", [4], 28),
        ("hidden1.1.bias", [4], 32), ("hidden2.0.weight", [3, 4], 36), ("hidden2.0.bias", [3], 48),
        ("hidden2.1.weight", [3], 51), ("hidden2.1.bias", [3], 54), ("output.0.weight", [3, 3], 57),
        ("output.0.bias", [3], 66),
    ]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_rows_hold_what_torchs_modules_hold_in_their_order(name):
    model, example = MODELS[name]
    from swarmsim.rng import seed_for

    torch.manual_seed(seed_for(4, "init"))
    modules = torch.nn.ModuleList([module for _, module in model.stages(example, 3)])
    rows = network(name, 4).initial()
    assert torch.equal(rows["params"], torch.cat([p.detach().flatten() for p in modules.parameters()]))
    floats = [b.flatten() for b in modules.buffers() if b.is_floating_point()]
    assert torch.equal(rows["buffers"], torch.cat(floats))
    assert rows["counters"].tolist() == [0] * (len(floats) // 2)


def test_positions_lead_back_to_names():
    built = network()
    assert [built.tensor_at(k) for k in (0, 23, 24, 27, 28, 66, 68)] == [
        "hidden1.0.weight", "hidden1.0.weight", "hidden1.0.bias", "hidden1.0.bias", "hidden1.1.weight", "output.0.bias",
        "output.0.bias",
    ]  # fmt: skip


def test_initial_rows_are_copies():
    built = network()
    built.initial()["params"].zero_()
    built.segment(1, 2).initial()["params"].zero_()
    assert built.initial()["params"].abs().sum() > 0
    assert built.segment(1, 2).initial()["params"].abs().sum() > 0


def test_the_initial_weights_are_the_seeds():
    assert torch.equal(network(seed=3).initial()["params"], network(seed=3).initial()["params"])
    assert not torch.equal(network(seed=3).initial()["params"], network(seed=4).initial()["params"])


@pytest.mark.parametrize(("cut", "before"), [(1, 1), (2, 2), ("hidden2", 1), ("output", 2)])
def test_a_cut_is_a_count_of_stages_or_the_first_stage_behind_it(cut, before):
    assert resolve_cut(cut, NAMES) == before


@pytest.mark.parametrize("cut", [0, 3, -1, 17, "hidden1", "hidden3", "", "1"])
def test_a_cut_that_leaves_a_part_empty_is_refused_with_the_choices(cut):
    with pytest.raises(InputError, match="hidden1, hidden2, output") as caught:
        resolve_cut(cut, NAMES)
    assert str(cut) in str(caught.value)


def test_a_model_of_one_stage_cannot_be_cut():
    with pytest.raises(InputError):
        resolve_cut(1, ("linear",))
