"""What is averaged beside weights: optimiser states by hand, BatchNorm's statistics by torch."""

from __future__ import annotations

import pytest
import torch

from swarmsim.models.cnn import Cnn
from swarmsim.models.mlp import Mlp
from tests.comparing import bytes_of, same_bits
from tests.images import pictures
from tests.jobs import blobs, job, run
from tests.loops import examples
from tests.methods import MODEL, method, small_job

SIZES = (37, 21, 48)
SHARES = [size / 106 for size in SIZES]
OPTIMISERS = {
    "momentum": ({}, {"momentum"}),
    "adamw": ({"optimizer": "adamw", "momentum": 0.0}, {"mean", "square", "step"}),
}
MERGES = {
    "split/splitfed_v1": ("bottom", "top"),
    "split/splitfed_v2": ("bottom",),
    "split/splitfed_v3": ("top",),
    "split/auxiliary": ("bottom", "auxiliary"),
}


def trained(name: str, model=None, **arguments):
    return run(small_job(name, {"cut": 1, **arguments}, rounds=1, model=model or {}))


def part(state: dict, name: str, i: int) -> dict:
    return state[f"server_parts/{i}" if name == "top" else f"members/{i}"][name]


@pytest.mark.parametrize("weights", ["samples", "equal"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
@pytest.mark.parametrize("name", MERGES)
def test_averaged_optimisers_hold_the_mean_of_what_they_would_have_kept(name, optimiser, weights):
    """One round from the same start: `keep` shows the states before the average."""
    arguments, tensors = OPTIMISERS[optimiser]
    kept, mean = (
        trained(name, optimizer_state=policy, weights=weights, **arguments).state for policy in ("keep", "average")
    )
    shares = SHARES if weights == "samples" else [1 / 3] * 3
    for link in MERGES[name]:
        before = [part(kept, link, i)["optimizer"] for i in range(3)]
        assert before[0].keys() == tensors
        for key in tensors:
            expected = sum(share * state[key] for share, state in zip(shares, before, strict=True))
            for i in range(3):
                assert torch.allclose(part(mean, link, i)["optimizer"][key], expected, rtol=1e-6, atol=1e-15)
        assert not torch.allclose(before[0][key], before[1][key], rtol=1e-3, atol=0)


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_averaged_optimisers_of_bottoms_cross_the_net_and_those_of_copies_do_not(optimiser):
    arguments, _ = OPTIMISERS[optimiser]
    done = trained("split/splitfed_v1", optimizer_state="average", **arguments)
    size = sum(tensor.numel() * tensor.element_size() for tensor in part(done.state, "bottom", 0)["optimizer"].values())
    assert bytes_of(done.rounds, kind="optimizer_state") == 2 * 3 * size


def test_kept_momentum_goes_on_and_reset_momentum_begins_anew():
    """One full-batch step a round: v = .9 g0 + g1 or g1, and g0 and g1 are the same under both."""
    steps = {"batch": None, "local_steps": 1, "cut": 1}
    states = {
        (policy, rounds): run(small_job("split/splitfed_v2", {**steps, "optimizer_state": policy}, rounds)).state
        for policy in ("keep", "reset")
        for rounds in (1, 2)
    }
    for i in range(3):
        kept, fresh = (part(states[policy, 2], "bottom", i)["optimizer"]["momentum"] for policy in ("keep", "reset"))
        first = part(states["keep", 1], "bottom", i)["optimizer"]["momentum"]
        assert torch.allclose(kept - fresh, 0.9 * first, rtol=0, atol=1e-14)
        assert first.abs().max() > 1e-3


# ------------------------------------------------------------------------------------------------- batch norm


def statistics(done, link: str) -> list[torch.Tensor]:
    return [part(done.state, link, i)["weights"]["buffers"] for i in range(3)]


@pytest.mark.parametrize("weights", ["averaged_each_epoch", "private"])
def test_average_leaves_every_bottom_with_the_mean_of_the_statistics(weights):
    """What `local` keeps is what `average` averages, weights being the same in the first round."""
    axes = {"serving": "interleaved", "institution_weights": weights}
    local, average = (trained("split/horizontal", batch_norm=policy, **axes) for policy in ("local", "average"))
    expected = sum(share * rows for share, rows in zip(SHARES, statistics(local, "bottom"), strict=True))
    for i, rows in enumerate(statistics(average, "bottom")):
        assert torch.allclose(rows, expected, rtol=0, atol=1e-14)
        assert same_bits(
            part(average.state, "bottom", i)["weights"]["params"], part(local.state, "bottom", i)["weights"]["params"]
        )
    assert not torch.allclose(*statistics(local, "bottom")[:2], rtol=0, atol=1e-3)
    assert bytes_of(average.rounds, kind="buffers") == 2 * 3 * (16 * 8 + 8)
    assert bytes_of(local.rounds, kind="buffers") == 0


def test_shared_is_the_average_where_weights_are_averaged():
    for name in ("split/splitfed_v1", "split/splitfed_v2"):
        shared, average = (trained(name, batch_norm=policy) for policy in ("shared", "average"))
        for one, other in zip(statistics(shared, "bottom"), statistics(average, "bottom"), strict=True):
            assert same_bits(one, other)


MODELS = {
    "mlp": (Mlp(**MODEL, dropout=0.3), blobs()),
    "cnn": (Cnn(channels=(3, 5), dense=7, norm="batch", dropout=0.3), pictures()),
}


@pytest.mark.parametrize("name", ["split/splitfed_v1", "split/vanilla", "split/splitfed_v3"])
@pytest.mark.parametrize("model", MODELS)
def test_recalibrated_statistics_are_those_of_torchs_update_bn(model, name):
    """torch.optim.swa_utils.update_bn on an institution's examples in their own order, dropout switched off."""
    kind, shards = MODELS[model]
    work = job(method(name, cut=1, batch=8, batch_norm="recalibrate"), shards, model=kind, rounds=2)
    done = run(work)
    for i, shard in enumerate(shards):
        module = torch.nn.Sequential(*[stage for _, stage in kind.stages(work.example, work.outputs)]).double()
        torch.nn.utils.vector_to_parameters(done.models[i]["params"].clone(), module.parameters())
        for layer in module.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
        x, _ = examples(shard)
        torch.optim.swa_utils.update_bn([piece for piece in x.split(8) if len(piece) > 1], module)
        expected = torch.cat([b.flatten() for b in module.buffers() if b.is_floating_point()])
        assert torch.allclose(done.models[i]["buffers"], expected, rtol=0, atol=1e-12)


def test_recalibration_is_for_looking_and_leaves_training_alone():
    """Statistics are local until somebody looks; weights and messages are those of `local`."""
    local, again = (trained("split/vanilla", batch_norm=policy) for policy in ("local", "recalibrate"))
    assert [each.traffic for each in local.rounds] == [each.traffic for each in again.rounds]
    for one, other in zip(statistics(local, "bottom"), statistics(again, "bottom"), strict=True):
        assert same_bits(one, other)
    assert same_bits(local.models[0]["params"], again.models[0]["params"])
    assert not torch.allclose(local.models[0]["buffers"], again.models[0]["buffers"], rtol=0, atol=1e-3)


@pytest.mark.parametrize(("name", "cut"), [("split/vanilla", 1), ("split/u_shaped", (1, 2))])
def test_the_learning_rate_falls_for_all_parts_alike(name, cut):
    """Trap 11: one plain step a round of one institution; the second is a quarter of what it would be."""
    plain = {"momentum": 0.0, "weight_decay": 0.0, "batch": None, "local_steps": 1, "cut": cut}
    falling = {"lr_schedule": {"use": "step", "every": 1, "factor": 0.25}}

    def after(rounds: int, **more) -> torch.Tensor:
        return run(small_job(name, {**plain, **more}, rounds, shards=blobs((37,)))).models[0]["params"]

    moved = after(2) - after(1)
    assert torch.allclose(after(2, **falling) - after(1, **falling), 0.25 * moved, rtol=0, atol=1e-14)
    assert all(piece.abs().max() > 1e-4 for piece in moved.split([56 + 16, 45 + 10, 18]))  # bottom, trunk, head
