"""The section `merge` of an experiment file: inherited, overridden, refused where it does nothing, handed to hosts."""

from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from swarmsim.algorithms.swarm.dpsgd import Dpsgd
from swarmsim.algorithms.swarm.leader_merge import LeaderMerge
from swarmsim.assemble import assemble, federation_of
from swarmsim.experiment import json_schema, read, resolved_yaml
from swarmsim.merge.krum import Krum
from swarmsim.merge.median import Median
from swarmsim.merge.trimmed_mean import TrimmedMean
from swarmsim.method import hparams
from swarmsim.runtime.driver import Inline
from swarmsim.types import InputError
from tests.experiment.files import FIXED_POINT, METHODS, refusal, wrote

LEADER = "algorithm: {use: swarm/leader_merge, lr: 0.1}"
RING = "algorithm: {use: swarm/dpsgd, lr: 0.1, local_steps: 1, order: adapt_then_combine}"


@pytest.fixture
def robust(monkeypatch):
    """Methods that merge by the rule of a section."""
    for kind in (Dpsgd, LeaderMerge):
        monkeypatch.setattr(kind, "robust", True, raising=False)


def job_of(path, *overrides: str):
    (one,) = read(path, overrides).methods
    federation = federation_of(one)
    return assemble(one, federation, 1)[0]


def test_without_it_there_is_no_rule(tmp_path):
    (one,) = read(wrote(tmp_path, FIXED_POINT)).methods
    assert one.merge is None
    assert "merge" not in one.resolved
    assert job_of(tmp_path / "file.yaml").merge is None


def test_a_method_inherits_overrides_and_removes_it(tmp_path):
    text = METHODS.replace("methods:", "merge: {use: trimmed_mean, trim: 2}\nmethods:", 1)
    text = text.replace("    rounds: 5\n", "    merge: {trim: 1}\n").replace("    label: fast\n", "    merge: null\n")
    text += "    merge: {use: median}\n"
    study = read(wrote(tmp_path, text))
    assert [m.merge for m in study.methods] == [TrimmedMean(trim=2), TrimmedMean(trim=1), None, Median()]
    assert study.methods[1].origins["merge.trim"].endswith("file.yaml:11")
    assert study.methods[1].origins["merge.use"].endswith("file.yaml:6")
    assert read(wrote(tmp_path, resolved_yaml(study), name="again.yaml")) == study
    assert not list(Draft202012Validator(json_schema()).iter_errors(study.resolved))


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("{use: medain}", "did you mean `median`?"),
        ("median", "merge: must be a section such as {use: median}"),
        ("{use: trimmed_mean}", "merge.trim: missing: an integer >= 0 (b: how many values"),
        ("{use: krum, byzantine: -1}", "merge.byzantine: must be an integer >= 0, got -1"),
        ("{use: krum, byzantine: 1, trim: 2}", "merge.trim: unknown key"),
        ("{use: centred_clipping, tau: 0}", "merge.tau: must be a number > 0, got 0"),
        ("{use: base}", "merge.use: unknown name"),
    ],
)
def test_refused(tmp_path, written, says):
    assert says in refusal(wrote(tmp_path, FIXED_POINT + f"merge: {written}\n"))


def test_a_method_that_would_ignore_it_is_refused(tmp_path):
    path = wrote(tmp_path, FIXED_POINT + "merge: {use: median}\n", (RING, "algorithm: {use: baseline/local, lr: 0.1}"))
    with pytest.raises(InputError, match=r"baseline-local: merge: .* would be ignored; leave it out, or write merge: "):
        job_of(path)
    assert job_of(path, "merge=null").merge is None


def test_the_rule_reaches_the_hosts(tmp_path, robust):
    job = job_of(wrote(tmp_path, FIXED_POINT + "merge: {use: trimmed_mean, trim: 1}\n"))
    assert job.merge == TrimmedMean(trim=1)
    with Inline() as runtime:
        runtime.start(job)
        assert runtime._host.world.merge == TrimmedMean(trim=1)


def test_the_fewest_neighbours_decide_where_methods_mix(tmp_path, robust):
    path = wrote(tmp_path, FIXED_POINT + "merge: {use: krum, byzantine: 0}\n")
    assert job_of(path).merge == Krum(byzantine=0)  # on the ring three rows meet everywhere
    with pytest.raises(InputError, match=r"swarm-dpsgd: merge at institution-0: krum .* and there are 2; write use: "):
        job_of(path, "topology={use: path}")
    with pytest.raises(InputError, match="needs 2 f \\+ 3 = 5 rows, and there are 3; write byzantine: 0"):
        job_of(path, "merge.byzantine=1")


def test_all_institutions_meet_at_a_leader(tmp_path, robust):
    text = FIXED_POINT.replace("topology:  {use: ring}\n", "") + "merge: {use: krum, byzantine: 2}\n"
    path = wrote(tmp_path, text, (RING, LEADER))
    assert job_of(path).merge == Krum(byzantine=2)
    with pytest.raises(
        InputError, match=r"swarm-leader_merge: merge: krum .* needs 2 f \+ 3 = 9 rows, and there are 8"
    ):
        job_of(path, "merge.byzantine=3")


def test_runs_are_told_apart_by_it(tmp_path):
    (one,) = read(wrote(tmp_path, FIXED_POINT + "merge: {use: median}\n")).methods
    assert hparams(one)["merge"] == {"use": "median"}
