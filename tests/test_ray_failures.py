"""Nothing hangs: a host that dies, and a host that fails, end the run with their name or their cause (trap 48)."""

from __future__ import annotations

import os
import time

import pytest

from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.runtime.driver import Inline
from swarmsim.types import SwarmsimError
from tests.comparing import assert_same, outcome
from tests.jobs import blobs, complete, job
from tests.methods import TRAINING

pytestmark = pytest.mark.ray


class FailingSumError(SwarmsimError):
    """What a method raises in one institution."""


class Fails(Dpsgd):
    """Raises at institution 1 in the second round; the other hosts wait for its message."""

    def round(self, state, tick, world):
        if tick.t == 1 and 1 in world.institutions.here:
            raise FailingSumError("institution-1 cannot go on")
        return super().round(state, tick, world)


class Dies(Dpsgd):
    """The process of institution 1 ends in the second round, without a word."""

    def round(self, state, tick, world):
        if tick.t == 1 and 1 in world.institutions.here:
            os.kill(os.getpid(), 9)
        return super().round(state, tick, world)


@pytest.fixture(scope="module")
def two_hosts(ray_session):
    """Shared, for actors take long to start: the first test leaves fresh ones behind, the last one broken ones."""
    from swarmsim.runtime.ray import RayHosts

    with RayHosts(2) as runtime:
        yield runtime


def ended(runtime, kind) -> tuple[Exception, float]:
    runtime.start(job(kind(**TRAINING), blobs((20, 20)), mixing=complete(2), rounds=3, hosts=2))
    began = time.perf_counter()
    with pytest.raises(Exception) as caught:
        runtime.advance(0, 3)
    return caught.value, time.perf_counter() - began


def test_a_killed_host_is_named_soon_and_fresh_hosts_compute_the_same_bits(two_hosts):
    from swarmsim.runtime.driver import HostLost

    error, seconds = ended(two_hosts, Dies)
    assert isinstance(error, HostLost)
    assert "host 1 (institution-1) died" in str(error)
    assert seconds < 20
    two_hosts.restart()
    work = job(Dpsgd(**TRAINING), blobs((20, 20)), mixing=complete(2), rounds=2, hosts=2)
    with Inline() as inline:
        assert_same(outcome(two_hosts, work, (0, 1)), outcome(inline, work, (0, 1)))


def test_an_error_in_one_host_is_the_cause_and_not_the_silence_of_its_peers(two_hosts):
    error, seconds = ended(two_hosts, Fails)
    assert isinstance(error, FailingSumError)
    assert "institution-1 cannot go on" in str(error)
    assert seconds < 20
