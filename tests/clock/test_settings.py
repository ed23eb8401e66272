"""Sections `network` and `pace`: what each key does to lines, links and speeds, and what is refused."""

from __future__ import annotations

from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from swarmsim.clock.lines import PRESETS, Line, Link, Network
from swarmsim.clock.pace import DEVICES, Pace, Speed, factors, rates
from swarmsim.clock.times import times
from swarmsim.clock.wires import wires
from swarmsim.clockwork import Clockwork
from swarmsim.models.mlp import Mlp
from swarmsim.topology.file import File
from swarmsim.topology.series import series
from swarmsim.types import InputError
from tests.clock.clocks import clock_of, clockwork_of, ends
from tests.jobs import blobs, job, quadratic
from tests.methods import method

NAMES = ("basel", "bern", "chur", "server")


# ------------------------------------------------------------------------------- network


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_preset_is_a_line_whose_keys_can_be_changed(name):
    assert Network(preset=name).line("anybody") == PRESETS[name]
    changed = Network(preset=name, up=5.0).line("anybody")
    assert changed == PRESETS[name]._replace(up=5.0)
    assert Network().line("anybody") == PRESETS["campus"]
    assert Network(preset=None, latency=1, up=2, down=3).line("anybody") == (1, 2, 3)


def test_a_participant_differs_in_what_it_says_or_by_a_preset_of_its_own():
    participants = {"bern": {"down": 7.0}, "server": {"preset": "backbone", "latency": 0.5}}
    network = Network(preset="wan", up=3.0, participants=participants)
    assert network.line("basel") == PRESETS["wan"]._replace(up=3.0)
    assert network.line("bern") == PRESETS["wan"]._replace(up=3.0, down=7.0)
    assert network.line("server") == PRESETS["backbone"]._replace(latency=0.5)
    made = wires(network, NAMES, 0)
    assert [made.up.tolist(), made.down[1], made.latency[3]] == [[3.0, 3.0, 3.0, 1.25e9], 7.0, 0.5]


@pytest.mark.parametrize(("made", "message"), [
    (lambda: Network(preset=None, up=1.0), "preset: null needs latency, up and down"),
    (lambda: Link(src="a", dst="a", latency=1.0), "from 'a' to itself"),
    (lambda: Link(src="a", dst="b"), "give latency, bandwidth, or both"),
    (lambda: Network(up=0.0), "greater than 0"),
    (lambda: Line(latency=-1.0), "greater than or equal to 0"),
    (lambda: Network(preset="moon"), "'hospital_dsl', 'campus', 'backbone' or 'wan'"),
    (lambda: Speed(device="gpu", seconds_per_step=1.0), "device, seconds_per_step exclude each other"),
    (lambda: Pace(seconds_per_sample=0.0), "greater than 0"),
])  # fmt: skip
def test_what_cannot_be_is_refused(made, message):
    with pytest.raises(ValueError, match=message):
        made()


@pytest.mark.parametrize(("section", "message"), [
    ({"participants": {"berne": {"up": 1.0}}}, r"network.participants: no \w+ 'berne' \(did you mean 'bern'\?\)"),
    ({"links": [{"src": "basel", "dst": "chu", "latency": 1.0}]}, r"network.links: no \w+ 'chu' \(did you mean 'chur'"),
])  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest(section, message):
    with pytest.raises(InputError, match=message):
        wires(Network.model_validate(section), NAMES, 0)


def test_a_link_goes_over_what_the_topology_says_of_it_and_in_both_directions():
    edges = [("basel", "bern", 0.5, 10.0), ("bern", "chur", None, 20.0)]
    network = Network(preset=None, latency=1, up=99, down=99, links=({"src": "bern", "dst": "basel", "latency": 2.0},))
    made = wires(network, NAMES, 0, edges)
    assert [made.delay(*pair, 0, 0) for pair in ((0, 1), (1, 0), (1, 2), (0, 2))] == [2, 2, 2, 2]
    assert made.links == {(0, 1): (2.0, None), (1, 0): (2.0, None), (1, 2): (None, 20.0), (2, 1): (None, 20.0)}
    assert [made.alone(2, 1, 40), made.alone(0, 1, 99)] == [2 + 2, 2 + 1]


def test_edges_of_a_topology_file_with_latency_and_bandwidth_are_links():
    path = Path(__file__).parents[2] / "topologies" / "heart_disease.yaml"
    names = ("Cleveland", "Hungary", "Switzerland", "VA Long Beach")
    graph = series(File(path=str(path)), 4, 0, names, 1, None, None).network
    shards = [shard.__class__(name, shard.train, shard.validation, shard.test)
              for name, shard in zip(names, blobs((8,) * 4), strict=True)]  # fmt: skip
    work = job(method("baseline/local"), shards, Mlp(hidden=()))
    sections = type("Sections", (), {"pace": None, "network": Network(preset="backbone")})
    found = Clockwork(sections, work, graph, None).wires.links
    assert isinstance(graph, nx.Graph)
    assert found == {pair: what for (a, b), what in {
        (0, 3): (0.03, 1.25e8), (0, 2): (0.05, 2.5e7), (1, 2): (0.009, 1.25e8),
    }.items() for pair in ((a, b), (b, a))}  # fmt: skip


def test_spread_of_lines_is_lognormal_and_has_addresses():
    network = Network(spread=0.5)
    many = wires(network, [f"h{i}" for i in range(4000)], 3)
    logs = np.log(many.up / PRESETS["campus"].up)
    assert abs(logs.mean()) <= 3 * 0.5 / 4000**0.5
    assert logs.std() == pytest.approx(0.5, rel=3 / 8000**0.5)
    assert np.allclose(many.up / PRESETS["campus"].up, many.down / PRESETS["campus"].down, rtol=1e-15)
    few = wires(network, NAMES, 3)
    assert (few.up == many.up[:4]).all()
    assert (few.up != wires(network, NAMES, 4).up).all()
    assert (wires(Network(), NAMES, 3).up == PRESETS["campus"].up).all()


# ------------------------------------------------------------------------------- pace


def test_each_measure_gives_the_rate_that_it_says():
    """work: 100 FLOPs of training on an example; a full batch has 4, 2 and 8 of them."""
    given = {"seconds_per_step": 2.0, "participants": {
        "bern": {"seconds_per_sample": 2.0}, "chur": {"flops_per_second": 7.0}, "server": {"device": "gpu"},
    }}  # fmt: skip
    assert rates(Pace(**given), NAMES, 100, [4, 2, 8, 8], 0).tolist() == [200, 50, 7, DEVICES["gpu"]]
    assert rates(Pace(seconds_per_step=2.0), NAMES, 100, [4, 2, 8, 8], 0).tolist() == [200, 100, 400, 400]
    assert rates(Pace(), NAMES, 100, [1] * 4, 0).tolist() == [DEVICES["workstation"]] * 4
    assert rates(Pace(device="edge", slow={"bern": 10, "chur": 0.5}), NAMES, 1, [1] * 4, 0).tolist() == [
        5e9, 5e8, 1e10, 5e9,
    ]  # fmt: skip


@pytest.mark.parametrize("key", ["slow", "participants"])
def test_pace_of_an_unknown_name_is_refused_with_the_nearest(key):
    value = {"slow": 2.0, "participants": {"device": "gpu"}}[key]
    with pytest.raises(InputError, match=rf"pace.{key}: no \w+ 'cuhr' \(did you mean 'chur'\?\)"):
        rates(Pace(**{key: {"cuhr": value}}), NAMES, 1, [1] * 4, 0)


def test_spread_and_jitter_of_pace_are_lognormal():
    """log seconds has variance spread^2 between participants and jitter^2 within one; the median is as written."""
    n, rounds = 4000, 50
    known = times(Pace(seconds_per_step=2, spread=0.5, jitter=0.2), [f"h{i}" for i in range(n)], 10, [8] * n, 8, 0)
    logs = np.log(known.of_a_step(rounds) / 2)
    own = logs.mean(0)
    assert abs(own.mean()) <= 3 * 0.5 / n**0.5
    assert own.var(ddof=1) == pytest.approx(0.25 + 0.04 / rounds, rel=3 * (2 / n) ** 0.5)
    assert (logs - own).var() * rounds / (rounds - 1) == pytest.approx(0.04, rel=0.02)
    kept = times(Pace(spread=0.5), NAMES, 10, [8] * 3, 8, 0).of_a_step(3)
    assert (kept[0] == kept[2]).all()
    assert len(set(kept[0])) == 3


def test_pace_has_addresses():
    pace = Pace(spread=0.5, jitter=0.5)

    def of_steps(n, rounds, seed):
        return times(pace, [f"h{i}" for i in range(n)], 10, [8] * n, 8, seed).of_a_step(rounds)

    assert (of_steps(4, 6, 0) == of_steps(7, 9, 0)[:6, :4]).all()
    assert (of_steps(4, 6, 0) != of_steps(4, 6, 1)).all()
    assert factors(Pace(), 3, 0, 0) is None


def test_training_is_the_sum_of_its_batches_the_last_of_an_epoch_being_ragged():
    """Shards of 10, 4 and no example, batches of 4: epochs of 4 + 4 + 2, of 4, and of nothing; 0.5 s an example."""
    known = times(Pace(seconds_per_sample=0.5), NAMES, 10, [10, 4, 0], 4, 0)
    steps = np.array([[1, 1, 0], [3, 2, 0], [5, 3, 0]])
    assert known.of_training(steps).tolist() == [[2, 2, 0], [5, 4, 0], [9, 6, 0]]
    assert known.of_a_step(1).tolist() == [[2, 2, 0]]


def test_stragglers_multiply_with_everything_else():
    factor = np.array([[1.0, 3.0, 1.0], [2.0, 1.0, 1.0]])
    known = times(Pace(seconds_per_sample=0.5, slow={"bern": 2}), NAMES, 10, [4, 4, 4], 4, 0, factor)
    assert known.of_a_step(2).tolist() == [[2, 12, 2], [4, 4, 2]]
    assert [known.seconds(t, 1, 40) for t in (0, 1, 0)] == [12, 4, 12]
    assert known.seconds(0, 3, 40) == 2  # a server


def test_stragglers_of_the_section_reach_the_clock_and_multiply():
    faults = {"stragglers": [{"institution": "institution-1", "factor": 3, "from": 2, "until": 3}],
              "straggling": {"probability": 1.0, "factor": 2}}  # fmt: skip
    work = job(method("baseline/local"), blobs((16, 16)), Mlp(hidden=()), rounds=3)
    assert ends(clock_of(work, None, {"seconds_per_step": 1.0}, faults)) == [2, 2 + 6, 2 + 6 + 2]


@pytest.mark.parametrize("measure", [{"seconds_per_sample": 0.5}, {"seconds_per_step": 8.0}])
def test_written_seconds_are_those_of_the_clock(measure):
    """16 examples a step; 37 examples are two steps and 5 sixteenths of one."""
    work = job(method("baseline/local"), blobs((37,)), Mlp(hidden=(8, 5), batch_norm=True), rounds=2)
    assert ends(clock_of(work, None, measure)) == [18.5, 37.0]


def test_a_model_without_flops_goes_by_examples():
    """One parameter has no matrix product; a step on the one example of an institution takes what is written."""
    work = job(method("baseline/local", batch=None, local_steps=3), quadratic(range(3)), rounds=2)
    clock = clock_of(work, None, {"seconds_per_step": 2.0, "slow": {"institution-1": 2.0}})
    assert ends(clock) == [12.0, 24.0]
    assert set(clock.flops().values()) == {0}
    assert clockwork_of(work).times.work == 1
