"""Telling who is stuck, laying hosts out on machines, and saying where a program stands: without Ray."""

from __future__ import annotations

import sys
import threading
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmsim.experiment.settings import RuntimeSettings
from swarmsim.network.located import Group, Located
from swarmsim.runtime.apply import one_by_one, packed
from swarmsim.runtime.placing import Machine, Needs, place
from swarmsim.runtime.standing import standing
from swarmsim.runtime.watch import Pulse, Silent, Watch
from swarmsim.types import InputError


def pulse(thread=0.0, process=0.0, moved=0, waits=None, round_=1) -> Pulse:
    return Pulse(thread, process, moved, waits, round_, None, "here")


def first_stuck(seconds: int, *hosts, patience: float = 10):
    """(second, hosts) of the first verdict, for hosts given as functions of time; None if there is none."""
    watch = Watch(patience)
    for now in range(seconds):
        found = watch.judge(float(now), {k: host(now) for k, host in enumerate(hosts)})
        if found:
            return now, list(found.hosts)
    return None


def computing(now):
    return pulse(thread=0.01 * now)


def asleep(now):
    return pulse(thread=5.0)


def waiting(host: int):
    return lambda now: pulse(thread=5.0, waits=host)


# ------------------------------------------------------------------------------------------------ stuck or not


@pytest.mark.parametrize(
    "host",
    [
        computing,
        lambda now: pulse(thread=0.002 * now),  # starved: 2 ms of CPU in a second
        lambda now: pulse(process=0.1 * now),  # other threads than the program's, or programs that it started
        lambda now: pulse(moved=now),  # a message comes in slowly
        lambda now: pulse(round_=now),
        lambda now: pulse(waits=1 if now % 8 == 0 else None),  # waits now and then, and never long for nobody
        lambda now: Silent(0.2 * now),  # computes without letting anybody ask
    ],
)
def test_who_does_anything_is_left_alone(host):
    assert first_stuck(100, host) is None


@pytest.mark.parametrize(
    "host",
    [
        asleep,
        lambda now: pulse(thread=5.0, process=0.01 * now),  # Ray's own threads take a little
        lambda now: pulse(thread=0.0002 * now),  # wakes up to sleep again
        lambda now: Silent(None),
        lambda now: Silent(0.01 * now),
    ],
)
def test_who_does_nothing_is_found_when_patience_ends(host):
    assert first_stuck(100, host) == (10, [0])
    assert first_stuck(100, host, patience=3) == (3, [0])


def test_who_waits_for_one_that_computes_is_left_alone():
    assert first_stuck(100, computing, waiting(0), waiting(1)) is None


def test_of_several_the_one_that_sleeps_is_found_and_not_those_who_wait_for_it():
    assert first_stuck(100, waiting(1), asleep, waiting(0)) == (10, [1])


def test_all_that_wait_for_each_other_are_found_together():
    assert first_stuck(100, waiting(1), waiting(0)) == (10, [0, 1])


def test_time_begins_again_when_a_host_stops_to_wait():
    """It waited for 50 s, and then sleeps: only the sleep counts."""
    late = lambda now: pulse(thread=5.0, waits=1 if now < 50 else None)  # noqa: E731
    assert first_stuck(100, late, computing) == (60, [0])


def test_who_answers_again_is_not_what_it_was_when_silent():
    host = lambda now: Silent(1.0) if now % 7 else pulse(thread=1.0)  # noqa: E731
    assert first_stuck(100, host) is None


# --------------------------------------------------------------------------------------------------- placement


def machines(*cpus: float, **more) -> list[Machine]:
    return [Machine(f"id{k}", f"m{k}", {"CPU": cpu, **more}) for k, cpu in enumerate(cpus)]


def layout(count: int, there: list[Machine], **needs) -> str:
    return "".join(machine.name[1] for machine in place(count, there, Needs(**needs)))


def test_pack_fills_one_machine_before_the_next_and_shares_evenly_when_all_are_full():
    assert layout(5, machines(2, 4)) == "00111"
    assert layout(9, machines(2, 4)) == "001111" + "011"
    assert layout(3, machines(8, 8)) == "000"


def test_spread_goes_where_the_fewest_are():
    assert layout(5, machines(2, 4), placement="spread") == "01010"
    assert layout(2, machines(1, 1, 1), placement="spread") == "01"


def test_custom_resources_and_gpus_limit_what_a_machine_carries():
    there = [Machine("a", "m0", {"CPU": 8, "GPU": 1}), Machine("b", "m1", {"CPU": 8, "GPU": 2, "scanner": 1})]
    assert layout(3, there, gpus=1) == "011"
    assert layout(6, there, gpus=0.5) == "001111"
    assert layout(2, there, resources={"scanner": 0.5}) == "11"
    assert layout(3, there, gpus=1 / 3) == "000"


@pytest.mark.parametrize(("gpus", "count", "share"), [(1, 3, 1 / 3), (2, 3, 0.5), (4, 4, 1), (8, 4, 1)])
def test_without_a_number_gpus_are_shared_equally_in_shares_that_ray_can_hand_out(gpus, count, share):
    there = [Machine("a", "m0", {"CPU": 1, "GPU": gpus})]
    settled = Needs(gpus=None).settled(count, there)
    assert settled.gpus == pytest.approx(share)
    assert len(place(count, there, settled)) == count


def test_what_does_not_fit_is_refused_with_what_the_cluster_has():
    with pytest.raises(InputError) as caught:
        layout(3, machines(4, 4, scanner=1), resources={"scanner": 1})
    text = str(caught.value)
    assert "3 hosts, each with scanner 1, do not fit on the cluster, which has m0: CPU 4, scanner 1; m1: " in text
    assert "room is for 2" in text
    with pytest.raises(InputError, match="the cluster has no GPU"):
        Needs(gpus=None).settled(2, machines(4))


@settings(deadline=None)
@given(
    st.lists(st.integers(1, 6), min_size=1, max_size=5), st.integers(1, 40), st.sampled_from(["pack", "spread"]),
    st.sampled_from([0, 0.25, 0.5, 1]),
)  # fmt: skip
def test_every_host_gets_a_machine_with_room_or_nobody_does(cpus, count, placement, gpus):
    there = [Machine(f"id{k}", f"m{k}", {"CPU": cpu, "GPU": cpu % 3}) for k, cpu in enumerate(cpus)]
    needs = Needs(placement, {}, gpus)
    room = sum(machine.resources["GPU"] / gpus for machine in there) if gpus else count
    if room < count:
        with pytest.raises(InputError):
            place(count, there, needs)
        return
    chosen = place(count, there, needs)
    held = [chosen.count(machine) for machine in there]
    assert sum(held) == count
    assert all(number * gpus <= machine.resources["GPU"] for number, machine in zip(held, there, strict=True))
    if not gpus and placement == "spread":
        assert max(held) - min(held) <= 1


# -------------------------------------------------------------------------------------------- where it stands


NAMES = ("ward", "clinic", "practice")


def broken(i: int) -> int:
    return {}[i]


@pytest.mark.parametrize("verb", ["map", "each"])
def test_an_exception_is_the_member_whose_part_it_was(verb):
    values = Located({i: i for i in range(3)})
    call = {"map": lambda group: group.map(lambda i: i if i < 1 else broken(i), values),
            "each": lambda group: group.each(lambda i: i if i < 1 else broken(i))}[verb]  # fmt: skip
    with pytest.raises(KeyError) as caught:
        call(Group("institution", NAMES, range(3), one_by_one))
    found = standing(traceback.walk_tb(caught.value.__traceback__))
    assert found.who == "clinic"
    assert found.where.startswith("test_ray_watch.py:")
    assert " in broken, called from test_ray_watch.py:" in found.where


def test_what_all_compute_together_is_nobodys():
    import torch

    i = 2  # of somebody else, on the way
    with pytest.raises(ValueError, match="together") as caught:
        Group("institution", NAMES, range(3), packed).map(_together, Located({k: torch.ones(1) for k in range(3)}))
    assert standing(traceback.walk_tb(caught.value.__traceback__)).who is None
    assert i == 2


def _together(rows):
    i = 1
    raise ValueError("together", i)


def test_a_thread_that_sleeps_says_where():
    began, end = threading.Event(), threading.Event()

    def sleep(i: int) -> None:
        began.set()
        end.wait()

    group = Group("institution", NAMES, [2], one_by_one)
    thread = threading.Thread(target=lambda: group.each(sleep))
    thread.start()
    assert began.wait(10)
    try:
        frame = sys._current_frames()[thread.ident]
        found = standing(reversed(list(traceback.walk_stack(frame))), shown=9)
    finally:
        end.set()
        thread.join()
    assert found.who == "practice"
    assert " in sleep, called from located.py:" in found.where


# ------------------------------------------------------------------------------------------------- as written


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"gpus_per_host": 1.5}, "Ray shares out one GPU, or whole ones"),
        ({"gpus_per_host": 0.5, "device": "cpu"}, "nothing would use them"),
        ({"resources": {"scanner": 0}}, "greater than 0"),
        ({"patience": 0.5}, "greater than or equal to 1"),
        ({"use": "inline", "placement": "spread"}, "placement: only for `use: ray`"),
        ({"use": "inline", "resources": {"scanner": 1}}, "resources: only for `use: ray`"),
        ({"use": "packed", "patience": 5}, "patience: only for `use: ray`"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(written, said):
    with pytest.raises(ValueError, match=said):
        RuntimeSettings(**written)
