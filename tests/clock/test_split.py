"""Split learning on the clock: K institutions, B batches each, r rounds, one server, batches of 16 examples.

f, b: seconds of an institution's way forth and back in a batch; s: of the server's part, both ways; U and G: smashed
data on its way up, cut gradients on their way down; R = U + s + G. All institutions are alike. Labels travel behind the
smashed data, and are there before the server, still on its way forth, needs them: they take time of the line alone.

Tirana et al. (EdgeSys 2025) give T = start + rBK s + end for K institutions served in turn without a pipeline, and
T = all stages once + (rBK - 1) L with one, L being the slowest stage. Both are exact here where the server (or a line)
is what is busy all the time. They are not where an institution is: its one processor is the first stage and the last,
so what it does while its batch is away is no step of a pipeline; the forms for that are below, and the clock has them.
"""

from __future__ import annotations

import itertools
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest

from swarmsim.clock.clock import Clock
from swarmsim.clock.operations import Compute
from swarmsim.models.mlp import Mlp
from swarmsim.runtime.rehearsal import Rehearsals
from tests.clock.clocks import clockwork_of, ends, linear
from tests.clock.programs import lines
from tests.jobs import blobs, job
from tests.methods import method

BATCH, LATENCY = 16, 0.125
SMASHED, LABELS = BATCH * 8 * 8, BATCH * 8  # bytes: 8 activations in float64, a whole number
BOTTOM, TOP = linear(BATCH, 6, 8), linear(BATCH, 8, 5, 3, inputs=True)
WEIGHTS = (6 * 8 + 8) * 8


class Seconds(NamedTuple):
    """Of the pieces of a batch."""

    f: float
    b: float
    s: float
    up: float  # time on an institution's line, with the labels
    down: float  # and on the server's
    U: float
    G: float

    @property
    def away(self) -> float:
        """R: between the way forth and the way back."""
        return self.U + self.s + self.G


@cache
def rehearsed(name: str, k: int, batches: int, rounds: int, arguments: tuple) -> tuple:
    """(job, its programs): the same for all speeds."""
    given = {"cut": 1, "momentum": 0.0, "batch": BATCH, **dict(arguments)}
    work = job(method(name, **given), blobs((BATCH * batches,) * k), Mlp(hidden=(8, 5)), rounds=rounds)
    rehearsals = Rehearsals(work)
    return work, [rehearsals.next() for _ in range(rounds)]


def split(name: str, k: int, batches: int, rounds: int, speeds, **arguments):
    """(clock, seconds of the pieces): `speeds` of institutions and server in FLOP/s, of their lines in bytes/s."""
    own, server, up, down = speeds
    work, programs = rehearsed(name, k, batches, rounds, tuple(arguments.items()))
    pace = {"flops_per_second": own, "participants": {"server": {"flops_per_second": server}}}
    wires = lines(k + 1, LATENCY, np.array([up] * k + [down]))  # what comes in takes no time
    clock = Clock(iter(programs).__next__, rounds, (*work.names, "server"), wires, clockwork_of(work, None, pace).times)
    assert LABELS / up <= TOP[0] / server
    assert SMASHED / down <= sum(TOP) / server  # answers do not stand in line
    ways = 2 * LATENCY + SMASHED / up, 2 * LATENCY + SMASHED / down
    forth, back = BOTTOM[0] / own, BOTTOM[1] / own
    return clock, Seconds(forth, back, sum(TOP) / server, (SMASHED + LABELS) / up, SMASHED / down, *ways)


def whole(clock) -> float:
    return ends(clock)[-1]


SPEEDS = [
    (2.0**16, 2.0**13, 2.0**14, 2.0**14),  # the server is the slowest
    (2.0**16, 2.0**13, 2.0**10, 2.0**14),  # the lines up are
    (2.0**12, 2.0**16, 2.0**14, 2.0**14),  # the institutions are
    (2.0**13, 2.0**14, 2.0**12, 2.0**13),  # nobody by much
]
GRID = list(itertools.product([1, 2, 5], [1, 2, 4], [1, 3], SPEEDS))
PRIVATE = {"institution_weights": "private"}


def test_the_work_is_that_of_linear_layers():
    clock, _ = split("split/private", 2, 1, 1, SPEEDS[0])
    institution, _, server = clock.program(0).operations
    assert [done.flops for done in institution if isinstance(done, Compute)] == list(BOTTOM)
    assert sum(done.flops for done in server if isinstance(done, Compute)) == 2 * sum(TOP)


@pytest.mark.parametrize(("k", "batches", "rounds", "speeds"), GRID)
def test_handed_over_nothing_overlaps(k, batches, rounds, speeds):
    """T = rKB (f + U + s + G + b) + rK H, H the way of a bottom; one institution hands nothing over."""
    clock, it = split("split/vanilla", k, batches, rounds, speeds)
    over = 2 * LATENCY + WEIGHTS / speeds[2] if k > 1 else 0.0
    assert whole(clock) == rounds * k * (batches * (it.f + it.away + it.b) + over)


@pytest.mark.parametrize(("k", "batches", "rounds", "speeds"), GRID)
def test_one_batch_of_each_in_turn(k, batches, rounds, speeds):
    """D(i, j) = max(D of the one served before, D(i, j-1) + G + b + f + U) + s: a batch is served when both are there.

    The server is always busy where G + b + f + U <= (K - 1) s: then T = start + rBK s + end, which is the formula
    without a pipeline; else a cycle lasts G + b + f + U + s.
    """
    clock, it = split("split/private", k, batches, rounds, speeds, serving="interleaved")
    again = it.G + it.b + it.f + it.U
    cycle = max(k * it.s, again + it.s)
    expected = it.f + it.U + (rounds * batches - 1) * cycle + k * it.s + it.G + it.b
    assert whole(clock) == expected
    if again <= (k - 1) * it.s:
        assert expected == (it.f + it.U) + rounds * batches * k * it.s + (it.G + it.b)


@pytest.mark.parametrize(("k", "batches", "rounds", "speeds"), GRID)
def test_one_institution_behind_the_other_with_weights_of_its_own(k, batches, rounds, speeds):
    """Only the first way forth overlaps what others do: turns of B s + (B - 1) (G + b + f + U)."""
    clock, it = split("split/private", k, batches, rounds, speeds, serving="by_institution")
    again = it.G + it.b + it.f + it.U
    turn = batches * it.s + (batches - 1) * again
    waits = max(0.0, again - (k - 1) * turn)  # for who is first, when its last turn was too short a time ago
    assert whole(clock) == it.f + it.U + rounds * k * turn + (rounds - 1) * waits + it.G + it.b


@pytest.mark.parametrize("flight", [4, 16, 64])
@pytest.mark.parametrize(("batches", "speeds"), list(itertools.product([1, 2, 6, 16], SPEEDS)))
def test_batches_in_flight_follow_the_slowest_stage(batches, speeds, flight):
    """One institution's turn, as many batches in flight as fit: T = f + U + s + G + b + (B - 1) L.

    L is the slowest of the server and the line up. Where the institution is the slowest, the formula with L = f + b is
    too long: while batches are away it goes on with others, and with enough of them it is never idle: B (f + b).
    """
    clock, it = split("split/vanilla", 1, batches, 1, speeds, in_flight=flight)
    slowest = max(it.s, it.up)
    formula = it.f + it.away + it.b + (batches - 1) * max(slowest, it.f + it.b)
    assert it.f + it.away + it.b <= whole(clock) <= formula or flight < needed(it)
    if slowest >= it.f + it.b and flight >= needed(it):
        assert whole(clock) == formula
    if it.f + it.b > slowest and flight >= batches and it.away + (batches - 1) * slowest <= (batches - 1) * it.f:
        assert whole(clock) == batches * (it.f + it.b) < formula


def needed(it: Seconds) -> float:
    """Batches in flight that keep the slowest stage busy: the time of a round trip over that of a stage, and one."""
    return (it.f + it.away + it.b) / max(it.s, it.up) + 1


@pytest.mark.parametrize("speeds", [SPEEDS[0], SPEEDS[2]])
def test_in_flight_overlaps_and_one_at_a_time_does_not(speeds):
    """What the schedule of batches allows in the mathematics is what the clock shows, and no more."""
    alone, _ = split("split/vanilla", 3, 6, 2, speeds)
    several, _ = split("split/vanilla", 3, 6, 2, speeds, in_flight=4)
    assert whole(several) < whole(alone)
    assert all(overlap(clock) == many for clock, many in ((alone, False), (several, True)))


def overlap(clock) -> bool:
    """Whether two participants ever compute at the same time."""
    done = sorted((s.begin, s.end) for _, s, _ in clock.timeline if s.what == "compute")
    return any(later[0] < earlier[1] for earlier, later in itertools.pairwise(done))


def test_batches_of_others_in_flight_are_no_pipeline_of_ones_own():
    """One batch each of K in turn: with up to K in flight everybody does the same, one thing behind the other."""
    given = {"serving": "interleaved"}
    one, _ = split("split/private", 3, 4, 2, SPEEDS[3], **given)
    for flight in (2, 3):
        several, _ = split("split/private", 3, 4, 2, SPEEDS[3], in_flight=flight, **given)
        assert ends(one) == ends(several)
    more, _ = split("split/private", 3, 4, 2, SPEEDS[3], in_flight=4, **given)
    assert whole(more) < whole(one)


@pytest.mark.parametrize(("k", "batches", "rounds", "speeds"), GRID)
def test_concatenated_batches_are_computed_side_by_side(k, batches, rounds, speeds):
    """T = rB (f + U + K s + G + (K - 1) down + b): the server's part sees K batches as one, and answers one by one."""
    clock, it = split("split/parallel", k, batches, rounds, speeds, **PRIVATE)
    assert whole(clock) == rounds * batches * (it.f + it.U + k * it.s + it.G + (k - 1) * it.down + it.b)
