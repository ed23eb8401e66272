"""Configurations of split learning that must coincide: other owners, other ways of a bottom, one institution alone."""

from __future__ import annotations

import itertools

import pytest
import torch

from swarmsim.models.mlp import Mlp
from tests.comparing import bytes_of, same_bits, within
from tests.jobs import blobs, job, mixing, run
from tests.loops import assert_rows, emptied
from tests.methods import MODEL, method, small_job

STORMY = {"dropout": 0.3}
CHAINS = {
    "two servers": [("institution", 1), ("server", 2), ("server-b", None)],
    "a single institution between": [("institution", 1), ("institution-1", 2), ("server", None)],
    "a single institution at the end": [("institution", 1), ("server", 2), ("institution-0", None)],
    "through peers only": [("institution", 1), ("institution-2", 2), ("institution-1", None)],
    "home again": [("institution", 1), ("server", 2), ("institution", None)],
}


def chain(name: str) -> dict:
    return {"stages": tuple({"owner": owner, "until": until} for owner, until in CHAINS[name])}


def trained(name: str, shards=None, rounds: int = 3, model=None, **arguments):
    options = {"shards": shards or blobs(), "model": STORMY if model is None else model}
    return run(small_job(name, arguments, rounds, **options))


@pytest.mark.parametrize("serving", ["by_institution", "random"])
@pytest.mark.parametrize("name", CHAINS)
def test_multi_hop_is_vanilla_with_the_same_bottom_and_cyclical_weight_transfer(name, serving):
    hops = trained("split/multi_hop", serving=serving, **chain(name)).models
    assert within(hops, trained("split/vanilla", cut=1, serving=serving).models)
    if serving == "by_institution":
        assert within(hops, trained("baseline/cyclic", optimizer_state="handover").models)


def test_multi_hop_over_many_owners_is_one_cut_at_the_outermost():
    model = {"hidden": (8, 7, 6, 5), **STORMY}
    stages = [("institution", 1), ("server", 2), ("institution-1", 3), ("server-b", 4), ("server", None)]
    hops = trained(
        "split/multi_hop", model=model, stages=tuple({"owner": owner, "until": until} for owner, until in stages)
    )
    assert within(hops.models, trained("split/vanilla", model=model, cut=1).models)
    assert set(hops.parts) == {"bottom", "trunk1", "trunk2", "trunk3", "top"}


@pytest.mark.parametrize("cut", [1, (1, 2)])
def test_a_hand_over_by_way_of_the_server_takes_the_same_step_and_twice_the_bytes(cut):
    name = "split/vanilla" if cut == 1 else "split/u_shaped"
    straight, around = (
        trained(name, cut=cut, institution_weights=way) for way in ("handed_over", "handed_over_via_server")
    )
    assert within(around.models, straight.models)
    for kind in ("weights", "optimizer_state", "buffers"):
        assert bytes_of(around.rounds, kind=kind) == 2 * bytes_of(straight.rounds, kind=kind) > 0
    lines = [line for each in around.rounds for line in each.traffic if line.kind == "weights"]
    assert all("server" in (line.src, line.dst) for line in lines)


ALONE = {
    "split/private": {"optimizer_state": "keep"},
    "split/splitfed_v1": {"optimizer_state": "keep"},
    "split/splitfed_v2": {},
    "split/splitfed_v3": {},
    "split/parallel": {},
    "split/splitavg": {},
    "split/sglr": {"averaged_fraction": 1.0},
}


@pytest.mark.parametrize("name", ALONE)
def test_with_one_institution_every_method_is_vanilla(name):
    """An average with nobody is multiplied by 1, which changes no bit."""
    shards = blobs((37,))
    expected = trained("split/vanilla", shards, cut=1).models
    assert within(trained(name, shards, cut=1, **ALONE[name]).models, expected)


@pytest.mark.parametrize("weights", ["averaged_each_epoch", "private"])
def test_labels_at_home_change_no_bit_where_institutions_are_served_one_by_one(weights):
    """U-shaped with private heads differs; with heads treated as bottoms, the place of the loss is all that does."""
    axes = {"serving": "interleaved", "institution_weights": weights}
    home, away = (
        trained("split/horizontal", shards=blobs((37,)), cut=cut, labels=labels, **axes)
        for cut, labels in (((1, 2), "institution"), (1, "server"))
    )
    assert within(home.models, away.models)


def test_private_heads_stay_and_common_ones_do_not():
    axes = {"cut": (1, 2), "labels": "institution", "serving": "interleaved", "batch_norm": "local"}
    heads = {}
    for how in ("private", "as_bottoms"):
        done = trained("split/horizontal", institution_weights="averaged_each_epoch", heads=how, **axes)
        heads[how] = [done.state[f"members/{i}"]["head"]["weights"]["params"] for i in range(3)]
        bottoms = [done.state[f"members/{i}"]["bottom"]["weights"]["params"] for i in range(3)]
        assert same_bits(bottoms[0], bottoms[1])
        head_bytes = heads[how][0].numel() * 8
        moved = bytes_of(done.rounds[:1], kind="weights")
        assert moved == 2 * 3 * (bottoms[0].numel() * 8 + (head_bytes if how == "as_bottoms" else 0))
    assert same_bits(heads["as_bottoms"][0], heads["as_bottoms"][2])
    assert not torch.allclose(heads["private"][0], heads["private"][2], rtol=0, atol=1e-3)


@pytest.mark.parametrize("weights", ["averaged_each_epoch", "averaged_each_batch", "private", "handed_over"])
def test_multi_task_is_the_horizontal_program_with_private_heads(weights):
    axes = {"cut": (1, 2), "serving": "interleaved", "institution_weights": weights}
    task = trained("split/multi_task", **axes)
    plain = trained("split/horizontal", labels="institution", heads="private", **axes)
    assert within(task.models, plain.models)


def test_multi_task_of_one_institution_is_u_shaped():
    """One task, one head: that it is never handed over changes nothing."""
    shards = blobs((37,))
    task = trained("split/multi_task", shards, cut=(1, 2), institution_weights="handed_over")
    assert within(task.models, trained("split/u_shaped", shards, cut=(1, 2)).models)


# ------------------------------------------------------------------------------------------------------- regions

FOUR = (37, 21, 48, 30)
REGIONS = (("institution-0", "institution-2"), ("institution-1", "institution-3"))
SERVED = [
    {"serving": "by_institution", "institution_weights": "handed_over"},
    {"serving": "random", "institution_weights": "handed_over"},
    {"serving": "interleaved", "institution_weights": "averaged_each_epoch", "optimizer_state": "average"},
    {"serving": "concatenated", "institution_weights": "averaged_each_batch", "cut_gradient": "own"},
    {"serving": "interleaved", "institution_weights": "private", "in_flight": 2},
]


def regional(regions, matrix, rounds: int = 2, **arguments):
    algorithm = method("split/regional", cut=1, regions=regions, **arguments)
    return run(job(algorithm, blobs(FOUR), model=Mlp(**MODEL, **STORMY), mixing=mixing(matrix), rounds=rounds))


@pytest.mark.parametrize("axes", SERVED)
def test_one_region_is_the_method_without_regions(axes):
    one = regional(1, [[1.0]], **axes)
    plain = trained("split/horizontal", blobs(FOUR), rounds=2, cut=1, **axes)
    assert within(one.models, plain.models)
    assert [each.losses for each in one.rounds] == [each.losses for each in plain.rounds]
    assert [each.traffic for each in one.rounds] == [each.traffic for each in plain.rounds]


@pytest.mark.parametrize("axes", [axes for axes in SERVED if axes["serving"] != "random"])
def test_regions_that_do_not_mix_are_separate_runs(axes):
    """W = I: a region is a run in which the others have no examples, so that nobody's batches are drawn anew."""
    shards, together = blobs(FOUR), regional(REGIONS, [[1, 0], [0, 1]], **axes)
    tolerance = 1e-12 if axes["institution_weights"] == "averaged_each_batch" else 0  # equal rows averaged once more
    for region in ([0, 2], [1, 3]):
        alone = trained("split/horizontal", emptied(shards, region), rounds=2, cut=1, **axes)
        for i, kind in itertools.product(region, ("params", "buffers")):  # counters of a mean are the first one's
            assert (together.models[i][kind] - alone.models[i][kind]).abs().max() <= tolerance


EQUAL = (24, 24, 24, 24)
PLAIN = {"momentum": 0.0, "weight_decay": 0.0, "batch": 8}


@pytest.mark.parametrize("optimiser", [{}, {"lr_schedule": {"use": "exponential", "factor": 0.5}}])
def test_regions_that_mix_completely_after_every_step_are_one_server_with_concatenated_batches(optimiser):
    """Equal regions, private bottoms, own gradients, plain SGD: the mean of the tops' steps is the step of the mean."""
    axes = {"serving": "concatenated", "institution_weights": "private", "cut_gradient": "own", **PLAIN, **optimiser}
    shards, half = blobs(EQUAL), [[0.5, 0.5], [0.5, 0.5]]
    algorithm = method("split/regional", cut=1, regions=2, average_unit="step", **axes)
    regions = run(job(algorithm, shards, mixing=mixing(half), rounds=3))
    one = run(job(method("split/parallel", cut=1, **axes), shards, rounds=3))
    assert_rows(regions.params, torch.as_tensor(one.params))


@pytest.mark.parametrize(("every", "unit", "mixed"), [(1, "round", 3), (2, "round", 1), (1, "step", 9), (2, "step", 3)])
def test_servers_mix_as_often_as_is_written(every, unit, mixed):
    """In 3 rounds of 3 steps (48 examples by 16); every round counts its steps anew."""
    axes = {"serving": "concatenated", "institution_weights": "private", "average_unit": unit, "average_every": every}
    rounds = regional(REGIONS, [[0.5, 0.5], [0.5, 0.5]], rounds=3, **axes).rounds
    lines = [line for each in rounds for line in each.traffic if (line.src, line.dst) == ("server-0", "server-1")]
    assert sum(line.messages for line in lines if line.kind == "weights") == mixed
