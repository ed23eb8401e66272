"""The sections `faults` and `pace` as they are written: what is refused, what happens, what is said of it."""

from __future__ import annotations

import networkx
import numpy as np
import pytest
from pydantic import ValidationError

from swarmsim.experiment import listing, read, resolved_yaml
from swarmsim.experiment.errors import ExperimentError
from swarmsim.schedule.build import schedule
from swarmsim.schedule.faults import check_read
from swarmsim.schedule.links import sides
from swarmsim.types import Event, InputError, Schedule
from tests.experiment.files import FIXED_POINT, METHODS, wrote
from tests.schedule.graphs import faults, metropolis, names, run

RING = metropolis(networkx.cycle_graph(4))
EVERYTHING = """faults:
  participation: 0.9
  churn: {use: markov, mean_up: 20, mean_down: 2}
  down: [{institution: institution-3, from: 5, until: 9}]
  link_loss: {use: gilbert_elliott, to_bad: 0.1, to_good: 0.5, symmetric: false}
  partitions: [{groups: [[institution-0, institution-1], [institution-2]], from: 2, until: 4}]
  lost_weight: sender
  delay: {use: geometric, most: 5, mean: 1}
pace: {seconds_per_step: 0.2, spread: 0.5, jitter: 0.1, slow: {institution-1: 10}}
"""


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"churn": {"use": "markov", "mean_up": 3}}, "churn markov needs mean_down"),
        ({"churn": {"use": "markov", "mean_up": 3, "mean_down": 0.5}}, "greater than or equal to 1"),
        ({"churn": {"use": "markov", "mean_up": 3, "mean_down": 2, "path": "x"}}, "does not read path: leave it out"),
        ({"churn": {"use": "trace"}}, "needs one of path and rows"),
        ({"churn": {"use": "trace", "rows": {"h0": [2]}}}, "0 or 1"),
        ({"churn": {"use": "trace", "rows": {}, "mean_up": 2}}, "trace does not read mean_up"),
        ({"down": [{"institution": "h0", "from": 4, "until": 4}]}, "holds no round.*until: 5 or more"),
        ({"down": [{"institution": "h0", "until": 4}, {"institution": "h0", "from": 3}]}, "h0: from 1 until 4 ov"),
        ({"down": [{"institution": "h0"}, {"institution": "h0", "from": 9}]}, "without end overlaps from 9"),
        ({"partitions": [{"groups": [["h0"]], "until": 4}, {"groups": [["h1"]], "from": 2}]}, "partitions: from 1"),
        ({"partitions": [{"groups": [["h0"], ["h1", "h0"]]}]}, "'h0' is named twice"),
        ({"partitions": [{"groups": [["h0"], []]}]}, "at least 1 item"),
        ({"link_loss": {"use": "independent"}}, "link_loss independent needs probability"),
        ({"link_loss": {"use": "independent", "probability": 1.1}}, "less than or equal to 1"),
        ({"link_loss": {"use": "independent", "probability": 0.1, "lost_bad": 0.5}}, "does not read lost_bad"),
        ({"link_loss": {"use": "gilbert_elliott", "to_bad": 0.1}}, "needs to_good"),
        ({"delay": {"use": "geometric", "most": 3}}, "delay geometric needs mean"),
        ({"delay": {"use": "uniform", "most": 3, "mean": 1}}, "delay uniform does not read mean"),
        ({"participation": 0}, "greater than 0"),
        ({"lost_weight": "receiver"}, "'self' or 'sender'"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(written, message):
    with pytest.raises(ValidationError, match=message):
        faults(**written)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"down": [{"institution": "h00"}]}, r"faults.down: no institution 'h00' \(did you mean 'h0'\?\); .*h0, h1"),
        ({"partitions": [{"groups": [["h0", "H3"]]}]}, r"faults.partitions: no institution 'H3' \(did you mean 'h3'"),
        ({"partitions": [{"groups": [["h0", "h1", "h2", "h3"]]}]}, "parts nobody"),
        ({"churn": {"use": "trace", "rows": {"x": [1] * 5}}}, "faults.churn trace: no institution 'x'"),
        ({"churn": {"use": "trace", "rows": {"h1": [1, 0]}}}, "h1 has 2 rounds, but the run has 5.*write rounds: 2"),
        ({"down": [{"institution": "h1", "from": 6}]}, "from 6 is behind the last round 5"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(written, message):
    with pytest.raises(InputError, match=message):
        run(RING, 5, **written)


def test_a_late_joiner_a_crash_and_one_who_leaves():
    down = [
        {"institution": "h0", "until": 3}, {"institution": "h1", "from": 2, "until": 3},
        {"institution": "h1", "from": 4, "until": 5}, {"institution": "h3", "from": 5},
    ]  # fmt: skip
    made = run(RING, 6, down=down)
    assert made.active.T.astype(int).tolist() == [
        [0, 0, 1, 1, 1, 1], [1, 0, 1, 0, 1, 1], [1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0],
    ]  # fmt: skip
    assert made.tick(1).active == (2, 3)
    twice = [{"institution": "h0", "until": 3}, {"institution": "h0", "from": 3, "until": 4}]
    assert run(RING, 6, down=twice).active[:, 0].tolist() == [False, False, False, True, True, True]
    assert made.tick(2).active is None


def test_a_trace_in_the_file_and_beside_it(tmp_path):
    rows = {"h1": [1, 0, 1, 1], "h3": [0, 0, 0, 1]}
    (tmp_path / "trace.csv").write_text("round,h3,h1\n1,0,1\n2,0,0\n3,0,1\n4,1,1\n")
    inside = run(RING, 3, churn={"use": "trace", "rows": rows})
    beside = run(RING, 3, churn={"use": "trace", "path": str(tmp_path / "trace.csv")})
    assert (inside.active == beside.active).all()
    assert inside.active.astype(int).tolist() == [[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("round,h1\n1,0\n3,1\n", "line 3: must be 2 and 1 times 0 or 1, got '3,1'"),
        ("round,h1\n1,yes\n", "line 2: must be 1 and 1 times 0 or 1"),
        ("round,h1\n1\n", "line 2"),
        ("h1,h2\n1,0\n", "first line must be round and names"),
        ("round,h1,h1\n1,0,0\n", "each once"),
        ("", "first line must be"),
        ('round,"h1\n1,0\n', "cannot be read as a table"),
        ("\xff", "cannot be read as a table"),
    ],
)
def test_a_trace_that_is_none(tmp_path, text, message):
    path = tmp_path / "trace.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        run(RING, 2, churn={"use": "trace", "path": str(path)})


def test_a_trace_that_is_not_there(tmp_path):
    (tmp_path / "hospitals.csv").touch()
    with pytest.raises(InputError, match=r"no such file \(did you mean 'hospitals.csv'\?\)"):
        run(RING, 2, churn={"use": "trace", "path": str(tmp_path / "hospital.csv")})


def test_events():
    written = {
        "down": [{"institution": "h1", "from": 2, "until": 3}],
        "partitions": [{"groups": [["h0"]], "from": 3, "until": 4}],
    }
    _, said = schedule(Schedule((RING,)), faults(**written), names(4), 5, 0)
    assert said == (
        Event(2, "down", "h1", "planned"),
        Event(3, "up", "h1", ""),
        Event(3, "parted", "all", "h0 | h1, h2, h3"),
        Event(3, "isolated", "h0", "hears nobody"),
        Event(4, "healed", "all", "h0 | h1, h2, h3"),
    )
    made, said = schedule(
        Schedule((RING,)), faults(link_loss={"use": "independent", "probability": 0.5}), names(4), 9, 0
    )
    told = [
        (event.round - 1, (int(name[-1]), int(event.institution[1:])))
        for event in said
        if event.event == "lost"
        for name in event.detail.removeprefix("from ").split(", ")
    ]
    assert sorted(told) == sorted((t, pair) for t, pairs in made.lost.items() for pair in pairs) != []


def test_a_round_without_anybody_is_noted():
    down = [{"institution": name, "from": 2, "until": 3} for name in names(4)]
    made, said = schedule(Schedule((RING,)), faults(down=down), names(4), 3, 0)
    assert Event(2, "nobody", "all", "nobody is awake") in said
    assert made.tick(1).active == ()
    assert (made.tick(1).mixing.dense() == np.eye(4)).all()


def test_the_causes_of_absence_are_told_apart():
    written = {
        "down": [{"institution": "h0", "until": 2}], "churn": {"use": "trace", "rows": {"h1": [0, 1]}},
        "participation": 0.5,
    }  # fmt: skip
    _, said = schedule(Schedule((RING,)), faults(**written), names(4), 2, 0)
    first = {event.institution: event.detail for event in said if event.round == 1}
    assert (first["h0"], first["h1"]) == ("planned", "churn")
    assert list(first.values()).count("not drawn") == 1


def test_sides_of_a_parted_network():
    parted = faults(partitions=[{"groups": [["h0"], ["h2", "h3"]], "from": 2, "until": 3}])
    assert sides(parted, names(4), 3).tolist() == [[0, 0, 0, 0], [1, 0, 2, 2], [0, 0, 0, 0]]
    assert sides(faults(), names(4), 3) is None


def test_what_a_method_does_not_obey_is_refused():
    given = faults(participation=0.5, delay={"use": "uniform", "most": 2})
    check_read(given, {"participation", "delay"}, "gossip")
    with pytest.raises(
        InputError, match="fedavg is not affected by delay; it obeys participation, churn; leave it out"
    ):
        check_read(given, {"churn", "participation"}, "fedavg")
    with pytest.raises(InputError, match="it obeys none of them"):
        check_read(given, (), "baseline/local")


# ------------------------------------------------------------------------------------------------ in a file


def test_the_sections_are_read_and_read_back(tmp_path):
    study = read(wrote(tmp_path, FIXED_POINT + EVERYTHING))
    (one,) = study.methods
    assert one.faults.down[0].first == 5
    assert one.faults.partitions[0].groups[1] == ("institution-2",)
    assert one.pace.slow == {"institution-1": 10.0}
    assert one.resolved["faults"]["down"] == [{"from": 5, "until": 9, "institution": "institution-3"}]
    (again,) = read(wrote(tmp_path, resolved_yaml(study))).methods
    assert (again.faults, again.pace, again.resolved) == (one.faults, one.pace, one.resolved)


def test_the_sections_are_optional_and_belong_to_a_method(tmp_path):
    (bare,) = read(wrote(tmp_path, FIXED_POINT)).methods
    assert (bare.faults, bare.pace) == (None, None)
    text = METHODS.replace("methods:", "faults: {participation: 0.5}\nmethods:") + "    faults: null\n"
    *others, last = read(wrote(tmp_path, text)).methods
    assert all(method.faults.participation == 0.5 for method in others)
    assert last.faults is None


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mean_up: 20", "mean_upp: 20", "did you mean `mean_up`"),
        ("participation: 0.9", "participation: 1.9", "faults.participation: must be a number > 0 and <= 1, got 1.9"),
        ("until: 9", "untl: 9", r"faults.down.0.untl: unknown key"),
        ("from: 2, until: 4", "from: 4, until: 2", "holds no round"),
        ("slow: {institution-1: 10}", "slow: {institution-1: 0}", "pace.slow.institution-1: must be a number > 0"),
        ("use: gilbert_elliott", "use: gilbert", "faults.link_loss.use: must be one of independent, gilbert_elliott"),
    ],
)
def test_a_typo_is_shown_with_its_place(tmp_path, old, new, message):
    assert old in EVERYTHING
    with pytest.raises(ExperimentError, match=message):
        read(wrote(tmp_path, FIXED_POINT + EVERYTHING.replace(old, new)))


def test_the_listing_knows_them():
    found = {argument["name"]: argument for argument in listing("faults")[0]["arguments"]}
    assert list(found) == [
        "participation", "churn", "down", "quorum", "stragglers", "straggling", "link_loss", "partitions",
        "lost_weight", "delay", "duplication", "reordering",
    ]  # fmt: skip
    assert all(argument["description"] for argument in (*found.values(), *listing("pace")[0]["arguments"]))
