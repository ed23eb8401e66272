"""The same bytes for inline and for Ray with 1, 2, 4 and 8 hosts, over generated configurations."""

from __future__ import annotations

from pathlib import Path

import pytest

from swarmsim.assemble import server_hosts_of
from swarmsim.runtime.driver import Inline
from tests.guarantees.generated import configuration, written
from tests.methods import RAY_HOSTS

MANY = 8  # hosts for institutions, and two for servers
FEW, ALL_SEEDS = range(6), range(1000, 1150)


def compare(seed: int, runtime, actors: int, folder: Path) -> None:
    (folder / "data").mkdir()
    found, federation = configuration(seed, folder / "data")
    n = len(federation.shards)
    most = actors - server_hosts_of(found, n)
    with Inline() as inline:
        expected = written(found, federation, inline, 1, folder / "inline")
    assert {"metrics.csv", "ledger.csv", "events.csv", "model/rows.safetensors"} <= expected.keys()
    for hosts in sorted({min(hosts, n, most) for hosts in (1, 2, 4, 8)}):
        got = written(found, federation, runtime, hosts, folder / f"ray-{hosts}")
        different = [name for name in expected if got.get(name) != expected[name]]
        assert (different, got.keys()) == ([], expected.keys()), f"seed {seed}, {hosts} hosts: {found.resolved}"


def test_configurations_are_many_and_differ(tmp_path):
    """Else the comparison would say little."""
    made = [configuration(seed, tmp_path)[0] for seed in (*FEW, *range(1000, 1012))]
    assert len({str(each.resolved["algorithm"]) for each in made}) >= 12
    assert sum("faults" in each.resolved for each in made) >= 4
    assert {each.runtime.dtype for each in made} == {"float32", "float64"}


@pytest.mark.ray
@pytest.mark.parametrize("seed", FEW)
def test_ray_writes_the_same_bytes_as_inline(seed, ray_hosts, tmp_path):
    compare(seed, ray_hosts, RAY_HOSTS, tmp_path)


@pytest.fixture(scope="module")
def many_hosts(ray_session):
    from swarmsim.runtime.ray import RayHosts

    with RayHosts(MANY + 2) as runtime:
        yield runtime


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("seed", ALL_SEEDS)
def test_ray_writes_the_same_bytes_with_up_to_8_hosts(seed, many_hosts, tmp_path):
    compare(seed, many_hosts, MANY + 2, tmp_path)
