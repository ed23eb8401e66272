"""Bytes of a round of every split preset as exact integers: D examples, S_c bytes of smashed data at each cut c."""

from __future__ import annotations

import pytest

from swarmsim.models.mlp import Mlp
from swarmsim.models.multimodal import Multimodal
from tests.comparing import bytes_of, kinds
from tests.jobs import blobs, columns, job, mixing, run
from tests.methods import VARIANTS, method
from tests.oracles.test_traffic import BOTTOM, CUT, FLOAT, HEAD, INNER, LABEL, PLAIN, SIZES, D, K, P, after_one_round

TOP = P - BOTTOM
NAMES = [f"institution-{i}" for i in range(K)]
S = CUT * FLOAT
BATCHES = (3, 2, 3)  # of 16


def stages(*pairs) -> tuple:
    return tuple({"owner": owner, "until": until} for owner, until in pairs)


def both_ways(size: int) -> dict[str, int]:
    return {"smashed_data": size, "cut_gradient": size}


HOPS = stages(("institution", 1), ("server", 2), ("server-b", None))
AT_HOME = {"cut": (1, 2), "labels": "institution"}
ONE_CUT = both_ways(D * S) | {"labels": D * LABEL}
TWO_CUTS = both_ways(D * (S + INNER * FLOAT))
ROUNDS = {  # (preset, its arguments): what one round moves, by kind
    "split/vanilla": ({"cut": 1}, ONE_CUT | {"weights": K * BOTTOM * FLOAT}),
    "split/vanilla at a later cut": (
        {"cut": 2},
        both_ways(D * INNER * FLOAT) | {"labels": D * LABEL, "weights": K * (P - HEAD) * FLOAT},
    ),
    "split/vanilla via the server": (
        {"cut": 1, "institution_weights": "handed_over_via_server"},
        ONE_CUT | {"weights": 2 * K * BOTTOM * FLOAT},
    ),
    "split/vanilla clipped": (
        {"cut": 1, "clip": 0.5},
        ONE_CUT | {"weights": K * BOTTOM * FLOAT, "control": 2 * sum(BATCHES) * FLOAT},
    ),
    "split/u_shaped": ({"cut": (1, 2)}, TWO_CUTS | {"weights": K * (BOTTOM + HEAD) * FLOAT}),
    "split/multi_hop": (
        {"stages": HOPS},
        TWO_CUTS | {"labels": D * LABEL, "weights": K * BOTTOM * FLOAT},
    ),
    "split/splitfed_v1": ({"cut": 1}, ONE_CUT | {"weights": 2 * K * BOTTOM * FLOAT}),
    "split/splitfed_v2": ({"cut": 1}, ONE_CUT | {"weights": 2 * K * BOTTOM * FLOAT}),
    "split/splitfed_v3": ({"cut": 1}, ONE_CUT),
    "split/private": ({"cut": 1}, ONE_CUT),
    "split/splitavg": ({"cut": 1}, ONE_CUT),
    "split/sglr": ({"cut": 1}, ONE_CUT),
    "split/parallel": ({"cut": 1}, ONE_CUT | {"weights": 3 * 2 * K * BOTTOM * FLOAT}),  # behind each of 3 joint batches
    "split/multi_task": ({"cut": (1, 2)}, TWO_CUTS | {"weights": 2 * K * BOTTOM * FLOAT}),
    "split/horizontal": (
        {**AT_HOME, "serving": "interleaved", "institution_weights": "averaged_each_epoch"},
        TWO_CUTS | {"weights": 2 * K * (BOTTOM + HEAD) * FLOAT},
    ),
}


@pytest.mark.parametrize("case", ROUNDS)
def test_a_round_moves_exactly(case):
    arguments, expected = ROUNDS[case]
    for each in after_one_round(case.split(" ")[0], rounds=2, **arguments):
        assert kinds([each]) == expected


def test_every_preset_has_its_bytes():
    elsewhere = {"split/regional", "split/auxiliary", "split/vertical"}
    presets = {name for name in VARIANTS if name.startswith("split/")}
    assert {case.split(" ")[0] for case in ROUNDS} | elsewhere == presets


def test_smashed_data_go_from_owner_to_owner():
    """Multi-hop: 2 D S_c at each cut c, over the edges of the chain and no others; labels to the last owner."""
    rounds = after_one_round("split/multi_hop", stages=HOPS)
    for i, name in enumerate(NAMES):
        assert bytes_of(rounds, src=name, dst="server", kind="smashed_data") == SIZES[i] * S
        assert bytes_of(rounds, src="server", dst=name, kind="cut_gradient") == SIZES[i] * S
        assert bytes_of(rounds, src=name, dst="server-b") == SIZES[i] * LABEL
    assert bytes_of(rounds, src="server", dst="server-b") == bytes_of(rounds, src="server-b") == D * INNER * FLOAT


def test_what_an_institution_sends_to_itself_is_no_message():
    """Institution 1 holds the trunk for all: its own smashed data, gradients and labels stay where they are."""
    rounds = after_one_round(
        "split/multi_hop", stages=stages(("institution", 1), ("institution-1", 2), ("server", None))
    )
    others = D - SIZES[1]
    assert bytes_of(rounds, dst="institution-1", kind="smashed_data") == others * S
    assert bytes_of(rounds, src="institution-1", kind="cut_gradient") == others * S
    assert bytes_of(rounds, dst="server", kind="smashed_data") == D * INNER * FLOAT
    assert bytes_of(rounds, src="institution-1", dst="institution-1") == 0


@pytest.mark.parametrize(("every", "sent"), [(1, (37, 21, 48)), (2, (16, 5, 16)), (3, (5, 0, 16))])
def test_a_local_loss_sends_every_hth_batch_and_gets_nothing_back(every, sent):
    """D S / h, up to whole batches, and their labels; bottoms and auxiliary heads are averaged."""
    auxiliary = CUT * 3 + 3
    (each,) = after_one_round("split/auxiliary", cut=1, server_every=every)
    expected = {"smashed_data": sum(sent) * S, "labels": sum(sent) * LABEL}
    assert kinds([each]) == expected | {"weights": 2 * K * (BOTTOM + auxiliary) * FLOAT}
    for name, size in zip(NAMES, sent, strict=True):
        assert bytes_of([each], src=name, dst="server", kind="smashed_data") == size * S


RING = [[0.6, 0.2, 0.2], [0.2, 0.6, 0.2], [0.2, 0.2, 0.6]]
PATH = [[0.5, 0.5, 0.0], [0.5, 0.25, 0.25], [0.0, 0.25, 0.75]]


@pytest.mark.parametrize(("matrix", "edges"), [(RING, 6), (PATH, 4), ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], 0)])
@pytest.mark.parametrize(("unit", "mixes"), [("round", 1), ("step", 3)])
def test_regions_send_a_top_over_every_edge_of_their_topology(matrix, edges, unit, mixes):
    axes = {"serving": "concatenated", "institution_weights": "private", "average_unit": unit}
    algorithm = method("split/regional", **PLAIN, cut=1, regions=3, **axes)
    (each,) = run(job(algorithm, blobs(SIZES), mixing=mixing(matrix), rounds=1)).rounds
    between = sum(
        line.bytes for line in each.traffic if line.src.startswith("server") and line.dst.startswith("server")
    )
    assert between == mixes * edges * TOP * FLOAT
    assert kinds([each]) == ONE_CUT | ({"weights": between} if edges else {})


def test_a_region_hands_over_within_itself():
    algorithm = method(
        "split/regional", **PLAIN, cut=1, regions=(("institution-0", "institution-2"), ("institution-1",))
    )
    rounds = run(job(algorithm, blobs(SIZES), mixing=mixing([[0.5, 0.5], [0.5, 0.5]]), rounds=1)).rounds
    moved = {
        (line.src, line.dst): line.bytes
        for line in rounds[0].traffic
        if line.kind == "weights" and line.src.startswith("institution")
    }
    assert moved == {(NAMES[0], NAMES[2]): BOTTOM * FLOAT, (NAMES[2], NAMES[0]): BOTTOM * FLOAT}


@pytest.mark.parametrize(("rows", "extra"), [({}, 0), ({"batch_norm": True}, 2 * CUT)])
def test_averaged_optimisers_are_counted_with_what_is_averaged(rows, extra):
    """Trap 17: momentum is a number for each parameter, of bottoms only; statistics are apart."""
    done = after_one_round(
        "split/splitfed_v1", model=Mlp(hidden=(8, 5), **rows), cut=1, momentum=0.9, optimizer_state="average"
    )
    sent, wide = kinds(done), BOTTOM + extra
    assert sent["weights"] == sent["optimizer_state"] == 2 * K * wide * FLOAT
    assert sent.get("buffers", 0) == (2 * K * (extra * FLOAT + 8) if extra else 0)


VERTICAL = {"": {}, "labels at home": {"labels": "institution", "cut": "output"}}


@pytest.mark.parametrize("where", VERTICAL)
def test_vertical_moves_features_and_their_gradients(where):
    """2 D (w_1 + ... + w_n) numbers; with labels at home also the trunk's output and its gradient, and no label."""
    (shards, blocks), width, hidden = columns(blobs(SIZES)), 3, 5
    model = Multimodal(width=width, hidden=(4,), head=(hidden,))
    work = job(method("split/vertical", **PLAIN, **VERTICAL[where]), shards, model=model, blocks=blocks, rounds=2)
    for each in run(work).rounds:
        if where:
            assert kinds([each]) == both_ways(D * (K * width + hidden) * FLOAT)
        else:
            assert kinds([each]) == both_ways(D * K * width * FLOAT) | {"labels": D * LABEL}
        for name in NAMES[:-1]:
            assert bytes_of([each], src=name) == bytes_of([each], dst=name) == D * width * FLOAT
