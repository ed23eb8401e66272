"""Rounds rehearsed with empty tensors send and compute what real ones do, whatever happens in them."""

from __future__ import annotations

from itertools import pairwise

import pytest
from torch.utils.flop_counter import FlopCounterMode

from swarmsim.clock.operations import Compute, Rest, Send, Wait
from swarmsim.runtime import rehearsal
from swarmsim.runtime.driver import Inline
from swarmsim.runtime.rehearsal import Rehearsals
from tests.clock.clocks import ends, faulty, wired
from tests.clock.programs import lines
from tests.jobs import blobs, complete, job
from tests.methods import VARIANTS, method, names_on_disk, small_job

CASES = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]
ROUNDS = 6
AWAY = {
    "churn": {"use": "markov", "mean_up": 3, "mean_down": 1}, "participation": 0.8,
    "down": [{"institution": "institution-1", "from": 2, "until": 4}],
}  # fmt: skip
NOISE = {
    "link_loss": {"use": "independent", "probability": 0.3}, "duplication": 0.2,
    "reordering": {"probability": 0.2, "seconds": 1.0}, "delay": {"use": "uniform", "most": 2},
    "straggling": {"probability": 0.3, "factor": 4},
}  # fmt: skip
LATER = "delay", True  # for methods that keep nothing so old
STORMS = {"calm": {}, "away": AWAY, "noise": NOISE, "both": {**AWAY, **NOISE}}


def stormy(name: str, arguments: dict, storm: str, rounds: int = ROUNDS):
    """A small job under those faults that the method obeys."""
    work, obeyed = small_job(name, arguments, rounds=rounds), names_on_disk()[name].obeys
    late = getattr(work.algorithm, "max_delay", 2) < 2
    return faulty(work, {key: said for key, said in STORMS[storm].items() if key in obeyed and (key, late) != LATER})


def rehearsed(work) -> list:
    rehearsals = Rehearsals(work)
    return [rehearsals.next() for _ in range(work.rounds)]


def real(work) -> list:
    with Inline() as runtime:
        runtime.start(work)
        return runtime.advance(0, work.rounds)


def disagreement(work) -> list[int]:
    """Rounds, from 1, whose ledger lines are others than those of the rehearsal; every line tells its round."""
    pairs = zip(rehearsed(work), real(work), strict=True)
    return [
        done.round for program, done in pairs
        if [line[1:] for line in program.traffic] != [line[1:] for line in done.traffic]
    ]  # fmt: skip


@pytest.mark.parametrize("storm", [
    "away", *(pytest.param(storm, marks=pytest.mark.slow) for storm in ("calm", "noise", "both")),
])  # fmt: skip
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_the_ledger_is_that_of_the_rehearsal(name, arguments, storm):
    """Line by line, with attempts that are lost, copies, and messages that the schedule loses."""
    assert disagreement(stormy(name, arguments, storm)) == []


def test_a_storm_has_all_kinds_of_lines():
    kinds = {line.kind for done in real(stormy("baseline/fedavg", {}, "both")) for line in done.traffic}
    assert kinds == {f"{prefix}{kind}" for prefix in ("", "lost_", "copy_") for kind in ("weights", "buffers")}
    (lost,) = {line.kind for done in real(stormy("swarm/dpsgd", {"batch_norm": "local"}, "noise"))
               for line in done.traffic if line.kind.startswith("lost_")}  # fmt: skip
    assert lost == "lost_weights"


PHASED = [
    ("swarm/pairwise", {"pairs": "one"}), ("swarm/epidemic", {"fanout": 1}), ("swarm/async_gossip", {}),
    ("swarm/late_merge", {"from_round": 3}), ("swarm/late_merge", {"final": True}),
    ("split/vanilla", {"cut": 1, "serving": "random"}), ("split/regional", VARIANTS["split/regional"][2]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), PHASED)
def test_rounds_that_differ_without_saying_so_would_be_seen(name, arguments, monkeypatch):
    """The one thing that a method must not forget: its phase, where no value in its state tells rounds apart."""
    long = name == "split/vanilla"  # its state says who had the bottom, so that few rounds look alike
    work = small_job(name, arguments, rounds=16 if long else ROUNDS, shards=blobs((8, 6, 7)))
    assert not disagreement(work)
    monkeypatch.setattr(type(work.algorithm), "phase", lambda self, t, rounds: 0)
    told = name == "swarm/async_gossip"  # its state says which messages are on their way
    assert bool(disagreement(work)) != told


@pytest.mark.parametrize(("name", "arguments"), [
    ("baseline/fedavg", {}), ("baseline/cyclic", {}), ("swarm/dpsgd", {"local_steps": 2}),
    ("swarm/late_merge", {"final": True}), ("swarm/gradient_tracking", {"momentum": 0.0}),
    ("swarm/leader_merge", {"weights": "equal"}),
])  # fmt: skip
def test_flops_are_those_that_torch_counts_in_the_real_round(name, arguments):
    """Ragged last batches, dropout and BatchNorm; torch counts with hooks of its own."""
    work = small_job(name, arguments, model={"dropout": 0.2}, rounds=2)
    programs = rehearsed(work)
    with Inline() as runtime:
        runtime.start(work)
        for t, program in enumerate(programs):
            with FlopCounterMode(display=False) as counter:
                runtime.advance(t, t + 1)
            assert sum(program.flops()) == counter.get_total_flops() > 0


def test_rounds_that_are_alike_are_rehearsed_once():
    programs = rehearsed(small_job("swarm/dpsgd", {}, rounds=50))
    assert len({id(program) for program in programs}) == 1
    work = faulty(small_job("baseline/fedavg", {}, rounds=50), {"participation": 0.6})
    several = {id(program): program for program in rehearsed(work)}
    assert len(several) == len({work.schedule.tick(t).active for t in range(50)}) < 50


def test_who_is_away_and_does_nothing_rests():
    work = faulty(small_job("swarm/dpsgd", {}), {"down": [{"institution": "institution-1", "from": 2, "until": 3}]})
    first, second, third = rehearsed(work)
    assert second.operations[1] == (Rest(),)
    assert all((Rest(),) not in each.operations for each in (first, third))
    assert all((Rest(),) != done for i, done in enumerate(second.operations) if i != 1)


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_every_message_is_sent_once_and_waited_for_at_most_once_by_its_receiver(name, arguments):
    work = small_job(name, arguments, rounds=2)
    for program in rehearsed(work):
        sent = {done.number: done for ops in program.operations for done in ops if isinstance(done, Send)}
        assert sorted(sent) == list(range(sum(line.messages for line in program.traffic)))
        assert sum(done.size for done in sent.values()) == sum(line.bytes for line in program.traffic)
        waits = [(who, done.number) for who, ops in enumerate(program.operations) for done in ops
                 if isinstance(done, Wait) and not done.age]  # fmt: skip
        assert len(waits) == len(set(waits))
        assert all(sent[number].dst == who for who, number in waits)
        assert all(not (isinstance(a, Compute) and isinstance(b, Compute)) for ops in program.operations
                   for a, b in pairwise(ops))  # fmt: skip


# ------------------------------------------------------------------------------- what comes is waited for late


@pytest.mark.parametrize("name", ["swarm/dpsgd", "swarm/d2", "baseline/fedavg"])
def test_parameters_and_statistics_that_cross_together_cost_one_latency(name):
    """Three messages (parameters, statistics, counters) are on their way at once: on endless lines as long as one."""
    rows = {}
    for batch_norm in ("average", "local"):
        arguments = {"batch_norm": batch_norm, "momentum": 0.0}
        work = small_job(name, arguments, rounds=3, shards=blobs((32, 32, 32)), mixing=complete(3))
        n = len(work.names) + len(work.servers)
        clock = wired(work, lines(n, 0.5), {"flops_per_second": 1e30})
        rows[batch_norm] = {line.kind for line in clock.program(0).traffic}
        ways = 2 if name == "baseline/fedavg" else 1
        assert ends(clock) == pytest.approx([ways * (t + 1) for t in range(3)], rel=1e-12)
    assert rows == {"average": {"weights", "buffers"}, "local": {"weights"}}


def test_a_round_that_looks_at_numbers_has_no_clock_and_says_so(monkeypatch, capsys):
    work = job(method("baseline/local"), blobs())
    monkeypatch.setattr(
        type(work.algorithm), "round", lambda self, state, tick, world: float(world.shards.values[0][0].sum())
    )
    assert wired(work, lines(3)) is None
    assert "cannot be rehearsed" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["swarm/pairwise", "swarm/leader_merge", "split/vanilla"])
def test_what_is_forgotten_is_rehearsed_again(name, monkeypatch):
    """Every round is of another kind here (other pairs, another merge, a random order), and only two are remembered."""
    arguments = {"cut": 1, "serving": "random"} if name == "split/vanilla" else {}
    whole, short = (Rehearsals(small_job(name, arguments, rounds=12)) for _ in range(2))
    programs = [whole.next() for _ in range(12)]
    monkeypatch.setattr(rehearsal, "REMEMBERED", 2)
    assert [short.next() for _ in range(12)] == programs
    assert len({repr(program.operations) for program in programs}) > 1
