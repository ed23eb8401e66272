"""The trace of a timeline: a slice for everything that was done, none over another, all of the clock's time."""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import pairwise

import pytest

from swarmsim.assemble import assemble, federation_of
from swarmsim.clock.account import Account
from swarmsim.clock.operations import Compute, Program, Send, Wait
from swarmsim.clock.trace_events import trace
from swarmsim.experiment import read
from tests.log.clocks import a_clock

METHODS = ["split/vanilla, cut: 1", "swarm/dpsgd", "swarm/leader_merge, min_peers: 2, wait: 0.02"]


def finished(rounds=2, **given):
    account = a_clock(rounds, **given)
    account.until(rounds)
    return account


def slices(made):
    """{(process, thread): [(begin, end, name)]} in nanoseconds, in order."""
    found = defaultdict(list)
    for event in made["traceEvents"]:
        if event["ph"] == "X":
            begin, length = round(event["ts"] * 1000), round(event["dur"] * 1000)
            found[event["pid"], event["tid"]].append((begin, begin + length, event["name"]))
    return {place: sorted(each) for place, each in found.items()}


def seconds(*spans):
    return [(round(begin * 1e9), round(end * 1e9), name) for begin, end, name in spans]


def test_every_slice_by_hand():
    """See a_clock: B waits from 4 to 9.5; A's uplink is slower than B's downlink, which lets the end pass in one go."""
    found = slices(trace(finished()))
    assert found[0, 0] == seconds((0, 5, "compute"), (5, 10, "compute"))
    assert found[1, 0] == seconds(
        (0, 4, "compute"), (4, 9.5, "wait for weights of A"), (9.5, 12.5, "compute"), (12.5, 16.5, "compute"),
        (16.5, 19.5, "compute"),
    )  # fmt: skip
    assert found[0, 1] == seconds((5, 9, "weights to B"), (10, 14, "weights to B"))
    assert found[1, 2] == seconds((7.5, 9.5, "weights from A"), (12.5, 14.5, "weights from A"))


def test_a_fast_uplink_holds_a_message_as_long_as_it_needs():
    """8 bytes from B to A, over two lines of 100 bytes/s, half a second apart."""
    program = Program(((Compute(1), Wait(0)), (Compute(5), Send(0, 0, 8, "weights"))))
    found = slices(trace(finished(1, program=program)))
    assert found[1, 1] == seconds((5, 5.08, "weights to A"))
    assert found[0, 2] == seconds((5.5, 5.58, "weights from B"))


def test_messages_that_nobody_waited_for_are_there():
    program = Program(((Send(0, 1, 8, "weights"), Compute(1)), (Compute(50), Wait(0), Compute(3))))
    found = slices(trace(finished(1, program=program)))
    assert found[0, 1] == seconds((0, 4, "weights to B"))
    assert [name for _, _, name in found[1, 0]] == ["compute", "compute"]


def test_names_and_arrows():
    made = trace(finished(), finished(1), labels=["one", "two"])
    names = {event["pid"]: event["args"]["name"] for event in made["traceEvents"] if event["name"] == "process_name"}
    assert names == {0: "one: A", 1: "one: B", 2: "two: A", 3: "two: B"}
    arrows = defaultdict(list)
    for event in made["traceEvents"]:
        if event["ph"] in "sf":
            arrows[event["id"]].append((event["ph"], event["pid"], event["tid"]))
    assert sorted(arrows.values()) == [[("s", 0, 1), ("f", 1, 2)]] * 2 + [[("s", 2, 1), ("f", 3, 2)]]
    assert made["otherData"]["shown_seconds"] == made["otherData"]["all_seconds"] == [19.5, 12.5]


def test_a_trace_ends_with_its_last_slice():
    account = finished(50)
    made = trace(account, most=20)
    found = slices(made)
    assert sum(len(each) for (_, tid), each in found.items() if tid == 0) == 20
    (shown,), (whole,) = made["otherData"]["shown_seconds"], made["otherData"]["all_seconds"]
    assert max(end for each in found.values() for _, end, _ in each) <= round(shown * 1e9)
    assert shown < whole == account.clock.moments[-1]


def test_a_run_that_has_not_begun():
    made = trace(a_clock(3))
    assert {event["ph"] for event in made["traceEvents"]} == {"M"}


@pytest.mark.parametrize("use", METHODS)
def test_real_methods(use):
    """Well formed; nothing overlaps; the work of everybody follows without a gap, and ends with the clock."""
    changes = [f"algorithm={{use: {use}, lr: 0.1, batch: 32, local_steps: 2}}"]
    (experiment,) = read("experiments/resume.yaml", [*changes, "rounds=3", "network={preset: hospital_dsl}"]).methods
    _, planned = assemble(experiment, federation_of(experiment), 1)
    account = Account(planned.clock)
    account.until(3)
    made = json.loads(json.dumps(trace(account), allow_nan=False))
    assert all({"ph", "pid", "tid", "name"} <= event.keys() for event in made["traceEvents"])
    found = slices(made)
    for (_, tid), spans in found.items():
        gaps = [after[0] - before[1] for before, after in pairwise(spans)]
        assert all(gap >= 0 for gap in gaps)
        assert tid or spans[0][0] == 0
        assert tid or set(gaps) <= {0}
    assert max(spans[-1][1] for (_, tid), spans in found.items() if tid == 0) == round(account.seconds * 1e9)
    sent = sum(line.messages for t in range(3) for line in planned.clock.program(t).traffic)
    assert sum(len(spans) for (_, tid), spans in found.items() if tid == 1) == sent > 0
