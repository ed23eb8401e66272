"""What goes wrong in a run changes what it should and nothing else: sleepers, lost messages, partitions, and what
stays at home.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from swarmsim.assemble import federation_of
from swarmsim.experiment import read
from swarmsim.local.sharing import Averaging
from swarmsim.runtime.driver import Inline
from swarmsim.schedule.build import schedule
from swarmsim.schedule.faults import Faults
from swarmsim.types import InputError, Schedule
from tests.comparing import bytes_of, digest, kinds
from tests.jobs import blobs, complete, job, quadratic, ring, run
from tests.methods import VARIANTS, method, names_on_disk, small_job
from tests.schedule.graphs import run as scheduled
from tests.swarm.pairs import CLINICS, N, assembled, table, wrote
from tests.swarm.protocols import many

TARGETS = np.arange(8.0)
ONCE = {  # x_i = a_i behind round 1, then averaging alone
    "lr": 1.0, "lr_schedule": {"use": "step", "every": 1, "factor": 1e-15}, "batch": None, "momentum": 0.0,
    "weight_decay": 0.0,
}  # fmt: skip
WRITTEN = {  # every key of the section, as it would change something
    "participation": 0.6,
    "churn": {"use": "markov", "mean_up": 4, "mean_down": 2},
    "down": [{"institution": "b", "from": 2, "until": 5}],
    "link_loss": {"use": "independent", "probability": 0.3},
    "partitions": [{"groups": [["a", "b", "c"]], "from": 3, "until": 6}],
    "lost_weight": "sender",
    "delay": {"use": "uniform", "most": 1},
}  # fmt: skip
KINDS = {name: kind for name, kind in names_on_disk().items() if name.split("/")[0] in ("baseline", "swarm")}
OBEDIENT = {name: kind.obeys for name, kind in KINDS.items() if kind.obeys}
POOLED = "baseline/pooled"  # whose institutions hold nothing
AVERAGING = [name for name, kind in KINDS.items() if issubclass(kind, Averaging)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("faults")
    table(path)
    return path


@pytest.fixture(scope="module")
def federation(folder):
    return federation_of(read(wrote(folder, "swarm/dpsgd", {"use": "ring"})).methods[0])


def written(name: str, faults: dict) -> dict:
    """The faults; push-sum's columns sum to 1, and its rows do not."""
    return faults | ({"lost_weight": "sender"} if name == "swarm/push_sum" else {})


def under(name: str, faults: dict, folder, federation, rounds: int = 10):
    """The job of a method on a path through the clinics, as a file with these faults gives it."""
    path = wrote(folder, name, {"use": "path"}, faults=written(name, faults), rounds=rounds)
    return assembled(path, federation)[0]


# ------------------------------------------------------------------------------------------- who is away


@pytest.mark.parametrize("name", [name for name in OBEDIENT if "churn" in OBEDIENT[name] and name != POOLED])
def test_who_sleeps_keeps_its_bits_and_sends_and_hears_nothing(name, folder, federation):
    """All that it holds, optimisers and trackers too; gossip on its way arrives all the same."""
    obeyed = ("churn", "link_loss", "partitions")
    work = under(name, {key: WRITTEN[key] for key in obeyed if key in OBEDIENT[name]}, folder, federation)
    asleep = moved = 0
    with Inline() as runtime:
        runtime.start(work)
        for t in range(work.rounds):
            before = runtime.save()
            (done,) = runtime.advance(t, t + 1)
            after, awake = runtime.save(), work.schedule.tick(t).awake(range(N))
            heard = {line.dst for line in done.traffic}
            for i, clinic in enumerate(CLINICS):
                same = digest(before[f"members/{i}"]) == digest(after[f"members/{i}"])
                if i in awake:
                    moved += not same
                    continue
                late = name == "swarm/async_gossip"  # what it sent before may arrive now, and the other way round
                assert same or (late and clinic in heard), (t, clinic)
                assert late or clinic not in heard | {line.src for line in done.traffic}, (t, clinic)
                asleep += 1
    assert asleep > 10
    assert moved > 30


def test_every_method_that_can_have_faults_is_under_test():
    """Under compressed gossip nobody may be away."""
    assert set(KINDS) == set(OBEDIENT)
    assert [name for name in OBEDIENT if "churn" not in OBEDIENT[name]] == ["swarm/choco"]


CORRECTED = [name for name, kind in KINDS.items() if getattr(kind, "corrects", False)]


def test_the_weight_of_lost_messages_stays_with_senders_in_push_sum_alone(folder, federation):
    """Rows of W would not sum to 1: models at 1 would be at 2/3 or 4/3."""
    for name in (name for name in OBEDIENT if "lost_weight" in OBEDIENT[name]):
        path = wrote(folder, name, {"use": "path"}, faults={"lost_weight": "sender", "participation": 0.6})
        if name == "swarm/push_sum":
            assert assembled(path, federation)
            continue
        with pytest.raises(InputError, match=f"{name.replace('/', '-')}: faults.lost_weight: sender leaves rows"):
            assembled(path, federation)


@pytest.mark.parametrize("name", CORRECTED)
def test_losses_one_way_alone_are_refused_where_a_correction_would_be_off_for_ever(name, folder, federation):
    """Run in spite of it, all agree on a point that is not the optimum; where both ways fail together they find it."""
    ends = []
    for symmetric in (True, False):
        loss = {"use": "independent", "probability": 0.1, "symmetric": symmetric}
        made = scheduled(ring(8), 150, link_loss=loss)
        plain = {"lr": 0.1, "batch": None, "momentum": 0.0, "weight_decay": 0.0}
        work = job(method(name, **plain), quadratic(TARGETS), schedule=made, rounds=150, packed=True)
        ends.append(np.abs(run(work).params - 3.5).max())
        path = wrote(folder, name, {"use": "path"}, faults={"link_loss": loss})
        if symmetric:
            assert assembled(path, federation)
            continue
        with pytest.raises(InputError, match=f"{name.replace('/', '-')}: faults.link_loss: .*; write symmetric: true"):
            assembled(path, federation)
    assert ends[0] < 1e-4
    assert ends[1] > 0.02


@pytest.mark.parametrize("key", WRITTEN)
@pytest.mark.parametrize("name", KINDS)
def test_a_fault_that_a_method_does_not_obey_is_refused(name, key, folder, federation):
    if key in OBEDIENT.get(name, ()):
        assert key == "lost_weight" or under(name, {key: WRITTEN[key]}, folder, federation, 6)
        return
    path = wrote(folder, name, {"use": "path"}, faults={key: WRITTEN[key]}, rounds=6)
    with pytest.raises(
        InputError, match=rf"faults: {name.replace('/', '-')} is not affected by {key}; it obeys .*; leave it out"
    ):
        assembled(path, federation)


def test_those_who_are_drawn_are_averaged_and_count_by_their_examples():
    """x <- sum over those awake of N_i x_i, over the sum of their N_i; nobody awake: nothing happens."""
    sizes, targets = [1, 2, 3, 4, 6], np.array([3.0, -1, 8, 40, 5])
    section = Faults.model_validate(
        {"participation": 0.4, "down": [{"institution": f"institution-{i}", "from": 5, "until": 6} for i in range(5)]}
    )
    made, _ = schedule(Schedule(), section, [f"institution-{i}" for i in range(5)], 20, 0)
    x = 0.0
    for t in range(20):
        awake = made.tick(t).awake(range(5))
        assert len(awake) == (0 if t == 4 else 2)
        p = np.array([sizes[i] for i in awake], dtype=float)
        x = float(p @ ((x + targets[list(awake)]) / 2) / p.sum()) if awake else x
    plain = {"lr": 0.5, "batch": None, "momentum": 0.0, "weight_decay": 0.0}
    done = run(job(method("baseline/fedavg", **plain), many(targets, sizes), schedule=made, rounds=20))
    assert done.params[:, 0] == pytest.approx([x] * 5, abs=1e-13)
    assert [sum(line.messages for line in each.traffic) for each in done.rounds] == [
        0 if t == 4 else 4 for t in range(20)
    ]


@pytest.mark.parametrize("name", ["baseline/fedavg", "swarm/leader_merge"])
def test_rounds_in_which_too_few_meet_for_a_rule_are_refused_before_the_first(name, folder, federation):
    """Of eight, two are drawn in every round; a trimmed mean needs three."""
    given = {"merge": {"use": "trimmed_mean", "trim": 1}, "rounds": 4}
    path = wrote(folder, name, faults={"participation": 0.25}, **given)
    with pytest.raises(InputError, match=f"{name.replace('/', '-')}: merge in round 1: trimmed_mean .* there are 2"):
        assembled(path, federation)
    assert np.isfinite(
        run(assembled(wrote(folder, name, faults={"participation": 0.4}, **given), federation)[0]).params
    ).all()


def test_a_graph_that_changes_goes_on_with_the_rounds_whoever_sleeps(folder):
    """Trap 31: one-peer exponential, period 3. b sleeps in rounds 2 and 3; rounds 4 to 6 average all, exactly."""
    faults = {"down": [{"institution": "b", "from": 2, "until": 4}]}
    for rounds, agreed in ((5, False), (6, True), (7, True)):
        path = wrote(
            folder, "swarm/dpsgd", {"use": "one_peer_exponential"}, faults=faults, rounds=rounds, partition=None,
            data={"use": "quadratic", "targets": TARGETS.tolist()}, model={"use": "point"}, task={"use": "quadratic"},
            algorithm={"use": "swarm/dpsgd", **ONCE},
        )  # fmt: skip
        path.write_text(path.read_text().replace('"b"', '"institution-1"'))
        done = run(assembled(path)[0])
        assert (np.ptp(done.params) < 1e-13) == agreed
        assert [sum(line.messages for line in each.traffic) for each in done.rounds[:4]] == [8, 6, 6, 8]


# ---------------------------------------------------------------------------------- lost messages, partitions


def lossy(rounds: int, seed: int, **loss):
    """D-PSGD on the ring of 8 that trains in round 1 alone; a message is 8 bytes."""
    made = scheduled(ring(8), rounds, seed, link_loss={"use": "independent", "probability": 0.1, **loss})
    return run(job(method("swarm/dpsgd", **ONCE), quadratic(TARGETS), schedule=made, rounds=rounds, seed=seed)), made


def test_weight_that_returns_keeps_the_mean_and_every_byte_is_received_or_lost():
    """Trap 25: over seeds the mean is 3.5; sent = received + lost, at every sender, as integers."""
    means = []
    for seed in range(25):
        done, made = lossy(20, seed, symmetric=False)
        means.append(done.params.mean())
        for i in range(8):
            src = f"institution-{i}"
            received, lost = (bytes_of(done.rounds, src=src, kind=kind) for kind in ("weights", "lost_weights"))
            assert received + lost == 20 * 2 * 8
            assert lost == 8 * sum(src == i for pairs in made.lost.values() for src, _ in pairs)
    means = np.array(means)
    assert abs(means.mean() - 3.5) <= 3 * means.std(ddof=1) / len(means) ** 0.5
    assert means.std() > 0.01


def test_links_that_fail_both_ways_keep_the_mean_of_every_run():
    for seed in range(3):
        assert lossy(20, seed, symmetric=True)[0].params.mean() == pytest.approx(3.5, abs=1e-12)


@pytest.mark.parametrize("name", ["swarm/dpsgd", "swarm/async_dpsgd", "swarm/late_merge", "swarm/pairwise"])
def test_the_sides_of_a_parted_network_agree_among_themselves_until_it_heals(name):
    """Trap 38 too: 7, a group of its own, ends nobody's turn. Means of 0..2, of 3..6, and 7; then of all."""
    groups = [["h0", "h1", "h2"], ["h7"]]
    made = scheduled(complete(8), 160, partitions=[{"groups": groups, "until": 80}])
    arguments = {"swarm/late_merge": {"from_round": 1}}.get(name, {})
    work = job(method(name, **ONCE, **arguments), quadratic(TARGETS), schedule=made, rounds=160)
    with Inline() as runtime:
        runtime.start(work)
        runtime.advance(0, 79)
        found = [runtime.models()[i]["params"].item() for i in range(8)]
        assert found == pytest.approx([1.0] * 3 + [4.5] * 4 + [7.0], abs=1e-6)
        runtime.advance(79, 160)
        found = [runtime.models()[i]["params"].item() for i in range(8)]
        assert found == pytest.approx([3.5] * 8, abs=1e-6)


def test_one_that_hears_nobody_does_not_end_the_turn_of_others():
    """Trap 38: 4 is cut off from the ring for ever and trains alone; 0 to 3 go on along the path."""
    made = scheduled(ring(5), 50, partitions=[{"groups": [["h4"]]}])
    plain = {"lr": 0.3, "batch": None, "momentum": 0.0, "weight_decay": 0.0}
    found = run(job(method("swarm/dpsgd", **plain), quadratic([0.0, 1, 2, 3, 90]), schedule=made, rounds=50))
    assert found.params[4, 0] == pytest.approx(90, abs=1e-5)
    assert found.params[:4, 0].mean() == pytest.approx(1.5, abs=1e-5)
    assert len(found.rounds) == 50
    assert all(each.losses.keys() == {f"institution-{i}" for i in range(5)} for each in found.rounds)


# ------------------------------------------------------------------ stages and statistics that stay at home

OUTPUT = 5 * 3 + 3  # parameters of the last stage, at the end of the row


def at_home(name: str, rounds: int = 1, **arguments):
    """A job whose institutions take one step a round from equal models; the last stage stays at home."""
    given = {**VARIANTS[name][0], "lr": 0.1, "momentum": 0.0, "local_steps": 1, **arguments}
    given.pop("gradient_weights", None)
    if name == "swarm/choco":
        given["compressor"] = {"use": "identity"}
    return small_job(name, given, rounds, model={"batch_norm": True})


@pytest.mark.parametrize("name", AVERAGING)
def test_a_personal_stage_never_crosses(name):
    """Not one byte of it, nor of what belongs to it; it is trained as at home, and all else as if it were not there."""
    done, whole = (run(at_home(name, personal=stages)) for stages in (("output",), ()))
    alone = run(at_home("baseline/local"))
    row = done.params.shape[1]
    sizes = {"weights": (row - OUTPUT) * 8, "optimizer_state": (row - OUTPUT) * 8, "control": 8}
    lines = [line for line in done.rounds[0].traffic if line.kind != "buffers"]
    assert lines
    assert all(line.bytes == line.messages * sizes[line.kind] for line in lines)
    assert np.abs(done.params - whole.params)[:, :-OUTPUT].max() < 1e-14
    personal = [done.models[i]["params"][-OUTPUT:] for i in range(3)]
    for i in range(3) if name != "baseline/fedavg" else ():
        assert torch.allclose(personal[i], alone.models[i]["params"][-OUTPUT:], rtol=0, atol=1e-14)
        assert not torch.allclose(personal[i], personal[i - 1], atol=1e-4)


@pytest.mark.parametrize("name", ["swarm/dpsgd", "swarm/async_dpsgd", "swarm/leader_merge", "swarm/epidemic"])
def test_what_is_not_personal_is_averaged_exactly(name):
    """W = J for four rounds: the shared stages are one model, the personal ones three."""
    arguments = {**VARIANTS[name][0], **({"fanout": 2} if name == "swarm/epidemic" else {}), "personal": ("output",)}
    models = run(small_job(name, arguments, 4, mixing=complete(3))).models
    for i in (1, 2):
        difference = (models[i]["params"] - models[0]["params"]).abs()
        assert difference[:-OUTPUT].max() < 1e-14
        assert difference[-OUTPUT:].max() > 1e-3


@pytest.mark.parametrize("name", AVERAGING)
def test_statistics_are_averaged_or_stay_at_home_and_counters_count(name):
    """Trap 35: the counter of batches is an integer and stays one; kept statistics never cross."""
    shared, kept = (run(at_home(name, 3, batch_norm=policy)) for policy in ("average", "local"))
    assert "buffers" not in kinds(kept.rounds)
    assert "buffers" in kinds(shared.rounds)
    for found in (shared, kept):
        counters = [found.models[i]["counters"] for i in range(3)]
        assert all(row.dtype == torch.int64 and 0 < row.min() <= row.max() <= 3 for row in counters)
    assert not torch.equal(kept.models[0]["buffers"], kept.models[1]["buffers"])
    assert not torch.equal(kept.models[0]["buffers"], shared.models[0]["buffers"])


def test_statistics_of_everybody_are_one():
    """W = J: the statistics are the plain mean of those that training left."""
    averaged, alone = (
        run(small_job(name, {"local_steps": 2}, 1, shards=blobs(), mixing=complete(3))).models
        for name in ("swarm/dpsgd", "baseline/local")
    )
    mean = sum(alone[i]["buffers"] for i in range(3)) / 3
    assert all(torch.allclose(averaged[i]["buffers"], mean, rtol=0, atol=1e-14) for i in range(3))
