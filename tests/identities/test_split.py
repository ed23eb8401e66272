"""Split learning is the unsplit training it claims to be: bit for bit, with everything on that could break it."""

from __future__ import annotations

import pytest
import torch

from swarmsim.models.cnn import Cnn
from swarmsim.models.resnet import Resnet
from swarmsim.twins import exactness
from tests.comparing import within
from tests.images import pictures
from tests.jobs import blobs, job, run
from tests.loops import assert_rows, batches, flat, modules, taken
from tests.methods import VARIANTS, method, small_job

STORMY = {"dropout": 0.3}  # on top of BatchNorm, momentum, weight decay and ragged batches
OPTIMISERS = {
    "sgd": {"optimizer": "sgd", "momentum": 0.9, "weight_decay": 0.01},
    "adamw": {"optimizer": "adamw", "momentum": 0.0, "weight_decay": 0.1, "lr": 0.01},
}
FALLING = {"lr_schedule": {"use": "exponential", "factor": 0.7}}  # trap 11: one schedule for all parts


def trained(name: str, rounds: int = 3, **arguments):
    return run(small_job(name, arguments, rounds, model=STORMY)).models


@pytest.fixture(scope="module", params=OPTIMISERS)
def optimiser(request):
    return {**OPTIMISERS[request.param], **FALLING}


@pytest.fixture(scope="module")
def cyclic(optimiser):
    return trained("baseline/cyclic", optimizer_state="handover", **optimiser)


@pytest.mark.parametrize("cut", [1, 2, "output"])
def test_vanilla_is_cyclical_weight_transfer_of_the_unsplit_network(optimiser, cyclic, cut):
    """Traps 1, 2, 3, 5, 6, 9, 10, 11, 12 at once."""
    assert within(trained("split/vanilla", cut=cut, **optimiser), cyclic)


def test_u_shaped_is_cyclical_weight_transfer_of_the_unsplit_network(optimiser, cyclic):
    assert within(trained("split/u_shaped", cut=(1, 2), **optimiser), cyclic)


@pytest.mark.parametrize("serving", ["reverse", "random", "interleaved"])
def test_u_shaped_is_vanilla_in_every_serving_order(optimiser, serving):
    vanilla = trained("split/vanilla", cut=1, serving=serving, **optimiser)
    assert within(trained("split/u_shaped", cut=(1, 2), serving=serving, **optimiser), vanilla)
    assert not within(vanilla, trained("split/vanilla", cut=1, **optimiser))


def test_two_epochs_a_turn_are_those_of_the_unsplit_network(optimiser):
    arguments = {"local_epochs": 2, **optimiser}
    twin = trained("baseline/cyclic", optimizer_state="handover", rounds=2, **arguments)
    assert within(trained("split/vanilla", cut=1, rounds=2, **arguments), twin)


@pytest.mark.parametrize("policy", ["keep", "reset"])
@pytest.mark.parametrize("batch_norm", ["average", "local"])
def test_splitfed_v1_is_federated_averaging(optimiser, policy, batch_norm):
    arguments = {"optimizer_state": policy, "batch_norm": batch_norm, **optimiser}
    assert within(trained("split/splitfed_v1", cut=1, **arguments), trained("baseline/fedavg", **arguments))


def test_splitfed_v1_with_one_institution_is_vanilla(optimiser):
    alone = {"shards": blobs((37,)), "mixing": None, "model": STORMY}
    vanilla = run(small_job("split/vanilla", {"cut": 1, **optimiser}, **alone))
    splitfed = run(small_job("split/splitfed_v1", {"cut": 1, "optimizer_state": "keep", **optimiser}, **alone))
    assert within(splitfed.models, vanilla.models)


def test_u_shaped_splitfed_is_federated_averaging(optimiser):
    axes = {"cut": (1, 2), "labels": "institution", "copies": "per_institution", "optimizer_state": "keep"}
    split = trained(
        "split/horizontal", serving="interleaved", institution_weights="averaged_each_epoch", **axes, **optimiser
    )
    assert within(split, trained("baseline/fedavg", optimizer_state="keep", **optimiser))


@pytest.mark.parametrize(("cut", "labels"), [(1, "server"), ((1, 2), "institution")])
def test_parallel_split_learning_with_averaged_bottoms_is_big_batch_sgd(cut, labels):
    """x <- x - lr grad of the mean loss of all institutions' k-th batches: an independent loop in torch."""
    arguments = {"momentum": 0.0, "weight_decay": 0.0, "batch": 8, "cut": cut, "labels": labels}
    axes = {"serving": "concatenated", "institution_weights": "averaged_each_batch", "cut_gradient": "own"}
    shards = blobs((24, 24, 24))
    work = job(method("split/horizontal", **arguments, **axes), shards, rounds=2)
    model = torch.nn.Sequential(*modules(work))
    optimizer = torch.optim.SGD(model.parameters(), 0.05)
    for t in range(work.rounds):
        for indices in zip(*(batches(work, i, t) for i in range(3)), strict=True):
            x, y = taken(shards, indices)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
    assert_rows(run(work).params, flat([model]))


SPLIT = [
    (name, arguments) for name, variants in VARIANTS.items() if name.startswith("split/") for arguments in variants
]


@pytest.mark.parametrize(("name", "arguments"), SPLIT)
def test_every_split_method_equals_its_unsplit_twin(name, arguments, optimiser):
    found = exactness(small_job(name, {**arguments, **optimiser}, model=STORMY))
    assert found["max_difference"] == 0
    assert found["twin"] == method(name, **arguments).twin


IMAGES = {
    "cnn": Cnn(channels=(3, 5), dense=7, norm="batch", dropout=0.3),
    "resnet": Resnet(widths=(3, 5), norm="batch"),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("model", IMAGES)
def test_convolutions_cut_anywhere_are_the_unsplit_network(model, cut, channels, dtype):
    """Grey images too, whose layout in memory is ambiguous: the bits of cyclical weight transfer, batches of 5."""
    shards, arguments = pictures(channels=channels), {"batch": 5, "optimizer": "adamw", "momentum": 0.0}
    split, whole = (
        run(job(method(name, **arguments, **more), shards, IMAGES[model], rounds=2, dtype=dtype)).models
        for name, more in (("split/vanilla", {"cut": cut}), ("baseline/cyclic", {"optimizer_state": "handover"}))
    )
    assert within(split, whole)


def test_the_twin_notices_a_cut_gradient_that_is_not_the_cut_gradient(monkeypatch):
    """Trap 5: backward(ones)."""
    from swarmsim.local.passes import Pass

    honest = Pass.backward
    monkeypatch.setattr(Pass, "backward", lambda self, gradient: honest(self, torch.ones_like(gradient)))
    assert exactness(small_job("split/vanilla", {"cut": 1}))["max_difference"] > 1e-3
