"""Nothing hangs: a host that dies, fails, or stands still ends the run with its name and the cause (trap 48)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from swarmsim.runtime.driver import HostLost, Inline
from swarmsim.types import SwarmsimError
from tests.comparing import assert_same, ended, outcome
from tests.guarantees.misbehaving import Misbehaving
from tests.jobs import blobs, complete, identity, job
from tests.methods import TRAINING

pytestmark = pytest.mark.ray

PATIENCE = 2  # seconds; users have ten times as many
ROUNDS = 4


def work(mixing=None, **what):
    return job(Misbehaving(**TRAINING, **what), blobs((20, 20)), mixing=mixing or complete(2), rounds=ROUNDS, hosts=2)


@pytest.fixture(scope="module")
def reference():
    with Inline() as inline:
        return outcome(inline, work(), (0, 1))


@pytest.fixture(scope="module")
def two_hosts(ray_session):
    """Shared, for actors take long to start: a test that leaves broken ones behind ends with fresh ones."""
    from swarmsim.runtime.ray import RayHosts

    with RayHosts(2, patience=PATIENCE) as runtime:
        yield runtime


def end_of(runtime, **what) -> tuple[Exception, float]:
    """How a run ends, and the seconds that it took until then."""
    runtime.start(work(**what))
    began = time.perf_counter()
    with pytest.raises(Exception) as caught:
        runtime.advance(0, ROUNDS)
    return caught.value, time.perf_counter() - began


def test_an_exception_is_named_with_institution_and_round_and_keeps_its_traceback(two_hosts):
    """On its own, so that nobody waits for it: the same actors go on with the next job."""
    from swarmsim.runtime.ray_calls import InstitutionFailed

    error, _ = end_of(two_hosts, mixing=identity(2), rounds={2: "raises"})
    assert isinstance(error, InstitutionFailed)
    assert str(error).startswith("institution-1 (host 1) failed in round 2: ZeroDivisionError: no patients today")
    assert "misbehaving.py:" in str(error)
    assert "Traceback (most recent call last)" in str(error.__cause__)
    error, _ = end_of(two_hosts, mixing=identity(2), rounds={3: "leaves"})
    assert "institution-1 (host 1) failed in round 3: SystemExit: enough" in str(error)


def test_an_error_made_for_users_arrives_as_it_is(two_hosts):
    error, seconds = end_of(two_hosts, mixing=identity(2), rounds={2: "refuses"})
    assert type(error) is SwarmsimError
    assert str(error) == "institution-1 cannot go on"
    assert seconds < 20


def test_a_long_computation_is_not_ended_and_neither_are_those_who_wait_for_it(two_hosts, reference):
    assert_same(outcome(two_hosts, work(rounds={2: "computes"}), (0, 1)), reference)


def test_a_sleeping_institution_is_ended_and_named_with_the_line_it_stands_at(two_hosts):
    error, seconds = end_of(two_hosts, rounds={2: "dozes"})
    assert type(error) is SwarmsimError
    assert str(error).startswith("institution-1 is stuck in round 2: for 2 s it has computed nothing")
    assert "it stands at misbehaving.py:" in str(error)
    assert " in dozes, called from misbehaving.py:" in str(error)
    assert PATIENCE <= seconds < PATIENCE + 10
    two_hosts.restart()


def test_hosts_that_all_wait_for_each_other_are_ended(two_hosts):
    error, seconds = end_of(two_hosts, rounds={2: "waits"})
    assert type(error) is SwarmsimError
    assert "all hosts wait for each other in round 2" in str(error)
    assert "host 0 (institution-0) for host 1, host 1 (institution-1) for host 0" in str(error)
    assert seconds < PATIENCE + 10
    two_hosts.restart()


def test_a_host_killed_before_within_or_after_a_message_changes_no_bit_and_is_noticed_soon(
    two_hosts, reference, tmp_path
):
    """Three deaths in one run; each time fresh hosts go on from the state before the round."""
    again = work(rounds={2: "during", 3: "before", 4: "after"}, marker=f"{tmp_path}/died")
    rounds, saved, deaths = [], {}, 0
    two_hosts.start(again)
    while len(rounds) < ROUNDS:
        try:
            rounds += two_hosts.advance(len(rounds), len(rounds) + 1)
            saved = two_hosts.save()
        except HostLost as error:
            when = float(Path(f"{tmp_path}/died{len(rounds) + 1}").read_text())
            assert time.time() - when < 5
            assert str(error).startswith(f"host 1 (institution-1) died in round {len(rounds) + 1}: ")
            deaths += 1
            two_hosts.restart()
            two_hosts.start(again)
            two_hosts.load(saved)
    assert deaths == 3
    assert_same(ended(two_hosts, again, rounds, (0, 1)), reference)


def test_a_process_that_stands_still_and_cannot_answer_is_a_lost_host(two_hosts):
    """The last one: it leaves a broken runtime behind."""
    error, seconds = end_of(two_hosts, rounds={2: "stops"})
    assert isinstance(error, HostLost)
    assert "host 1 (institution-1) died in rounds 1 to 4: for " in str(error)
    assert "it has neither answered nor computed" in str(error)
    assert seconds < PATIENCE + 15
