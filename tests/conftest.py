"""One Ray session for all tests that need one: actors take seconds to start."""

from __future__ import annotations

import pytest
import torch

from tests.methods import RAY_HOSTS


@pytest.fixture(autouse=True)
def one_thread():
    """Hosts compute with one thread; what tests compute beside them must too."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def ray_session():
    """Ray on this machine, ended behind the last test."""
    from swarmsim.runtime.ray import connect, disconnect

    connect()
    yield
    disconnect()


@pytest.fixture(scope="session")
def ray_hosts(ray_session):
    """Three hosts for institutions and one for the server, shared by all tests: `start` gives them another job."""
    from swarmsim.runtime.ray import RayHosts

    with RayHosts(RAY_HOSTS) as runtime:
        yield runtime
