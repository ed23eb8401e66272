"""A file becomes a study: defaults, methods, overrides, inheritance, and the way back to a file."""

from __future__ import annotations

import json

import pytest

from swarmsim.experiment import RuntimeSettings, read, resolved_yaml
from swarmsim.experiment.components import FOLDERS, components
from tests.experiment.files import FIXED_POINT, METHODS, refusal, wrote


def test_one_experiment(tmp_path):
    study = read(wrote(tmp_path, FIXED_POINT))
    (one,) = study.methods
    assert study.single
    assert (study.name, one.label, one.seed_data, one.seed_run) == ("fixed-point", "swarm-dpsgd", 1, 1)
    assert (one.rounds, one.institutions, one.partition, one.checkpoint) == (1000, 8, None, None)
    assert one.algorithm.lr == 0.1
    assert one.algorithm.momentum == 0.0
    assert one.data.targets == tuple(range(8))
    assert one.runtime == RuntimeSettings(use="inline", dtype="float64")


@pytest.mark.parametrize("text", [FIXED_POINT, METHODS])
def test_the_resolved_file_reads_back_as_the_same(tmp_path, text):
    study = read(wrote(tmp_path, text))
    again = read(wrote(tmp_path, resolved_yaml(study), name="again.yaml"))
    assert again == study
    assert resolved_yaml(again) == resolved_yaml(study)
    assert "default" not in again.origins.values()


def test_one_method_of_several_resolves_to_a_file_of_its_own(tmp_path):
    method = read(wrote(tmp_path, METHODS)).methods[3]
    (alone,) = read(wrote(tmp_path, resolved_yaml(method))).methods
    assert alone.resolved == method.resolved
    assert alone.algorithm == method.algorithm


@pytest.mark.parametrize("text", ["no", "1e3", "0o17", "12:30", "012", "null", "", "- x", "a: b", "é", "x\ny"])
def test_odd_texts_survive_the_way_to_a_file_and_back(tmp_path, text):
    runtime = json.dumps({"use": "ray", "address": text or " "})
    study = read(wrote(tmp_path, FIXED_POINT, ("{use: inline, dtype: float64}", runtime)), ["runtime.use=ray"])
    assert read(wrote(tmp_path, resolved_yaml(study))) == study


def test_methods_inherit_and_override_and_are_told_apart(tmp_path):
    study = read(wrote(tmp_path, METHODS))
    assert not study.single
    assert [m.label for m in study.methods] == ["baseline-local", "swarm-dpsgd", "fast", "swarm-dpsgd-2"]
    assert [m.rounds for m in study.methods] == [3, 5, 3, 3]
    assert [m.topology is None for m in study.methods] == [True, False, False, False]
    assert all(m.data == study.methods[0].data for m in study.methods)
    assert "data" in study.resolved
    assert set(study.resolved["methods"][1]) == {"label", "rounds", "topology", "algorithm"}


def test_methods_share_arguments_of_the_top_level(tmp_path):
    text = METHODS.split("methods:")[0] + "algorithm: {lr: 0.5}\nmethods:\n  - algorithm: {use: baseline/local}\n"
    (method,) = read(wrote(tmp_path, text)).methods
    assert method.algorithm.lr == 0.5


def test_null_takes_away_what_was_inherited(tmp_path):
    text = METHODS.replace("methods:", "topology: {use: ring}\nmethods:") + "    checkpoint: null\n"
    wrote(tmp_path, text.replace("path}", "path}\n    model: {use: point}"), name="base.yaml")
    study = read(wrote(tmp_path, "extends: base.yaml\ntopology: null\n"))
    assert study.methods[0].topology is None
    assert study.methods[1].topology is not None


def test_seeds(tmp_path):
    (one,) = read(wrote(tmp_path, FIXED_POINT, ("seed: 1", "seed: {data: 0, run: 3}"))).methods
    assert (one.seed_data, one.seed_run) == (0, 3)
    (one,) = read(wrote(tmp_path, FIXED_POINT), ["seed.run=9"]).methods
    assert (one.seed_data, one.seed_run) == (1, 9)
    (one,) = read(wrote(tmp_path, FIXED_POINT), seed=4).methods
    assert (one.seed_data, one.seed_run) == (4, 4)


class TestOverrides:
    def test_values_are_read_as_in_a_file(self, tmp_path):
        path = wrote(tmp_path, FIXED_POINT)
        overrides = ["algorithm.lr=1e-3", "checkpoint.every=5", "data.targets=[1, 2]", "topology={use: path}"]
        (one,) = read(path, overrides).methods
        assert (one.algorithm.lr, one.checkpoint.every, one.data.targets) == (1e-3, 5, (1, 2))
        assert one.resolved["topology"]["use"] == "path"
        assert one.origins["algorithm.lr"] == "--set algorithm.lr=1e-3"

    def test_lists_by_index(self, tmp_path):
        study = read(wrote(tmp_path, METHODS), ["methods.1.algorithm.lr=7", "data.targets.1=9"])
        assert [m.algorithm.lr for m in study.methods] == [0.1, 7, 0.2, 0.3]
        assert study.methods[0].data.targets == (0, 9)

    def test_a_changed_use_replaces_the_section_in_any_order(self, tmp_path):
        path = wrote(tmp_path, FIXED_POINT)
        (one,) = read(path, ["algorithm.lr=0.7", "algorithm.use=baseline/local"]).methods
        assert one.algorithm.lr == 0.7
        assert one.algorithm.local_steps is None
        (one,) = read(path, ["algorithm.use=swarm/dpsgd"]).methods
        assert one.algorithm.local_steps == 1

    def test_a_changed_runtime_keeps_the_precision(self, tmp_path):
        (one,) = read(wrote(tmp_path, FIXED_POINT), runtime="ray", hosts=2, address="1.2.3.4:5").methods
        assert one.runtime == RuntimeSettings(use="ray", hosts=2, address="1.2.3.4:5", dtype="float64")
        path = wrote(tmp_path, METHODS, ("label: fast", "runtime: {use: ray, hosts: 2}"))
        assert {m.runtime.use for m in read(path, runtime="packed").methods} == {"packed"}

    @pytest.mark.parametrize(
        ("override", "says"),
        [
            ("algorithm.lrr=1", "--set algorithm.lrr=1: algorithm.lrr: unknown key; did you mean `lr`?"),
            ("algoritm.lr=1", "--set algoritm.lr=1: algoritm: unknown key; did you mean `algorithm`?"),
            ("algorithm.lr=-1", "--set algorithm.lr=-1: algorithm.lr: must be a number > 0, got -1"),
            ("algorithm.lr=fast", '--set algorithm.lr=fast: algorithm.lr: must be a number > 0, got "fast"'),
            ("algorithm.lr", "must look like key.path=value"),
            ("=1", "must look like key.path=value"),
            ("a..b=1", "must look like key.path=value"),
            ("algorithm.lr=", "--set algorithm.lr=: is empty"),
            ("algorithm.lr=[1", "--set algorithm.lr=[1: not valid YAML"),
            ("rounds.x=1", "rounds is 1000, not a section with keys"),
            ("data.targets.8=1", "data.targets has the items 0 to 7, not 8"),
            ("data.targets.x=1", "data.targets has the items 0 to 7, not x"),
            ("topology.use=rin", "did you mean `ring`?"),
            ("extends=other.yaml", "changes nothing"),
        ],
    )
    def test_refused(self, tmp_path, override, says):
        assert says in refusal(wrote(tmp_path, FIXED_POINT), override)

    def test_given_twice(self, tmp_path):
        path = wrote(tmp_path, FIXED_POINT)
        assert "given twice, also as `--set seed=3`" in refusal(path, "seed=3", seed=4)

    def test_without_effect(self, tmp_path):
        assert "changes nothing" in refusal(wrote(tmp_path, METHODS), "algorithm.lr=9")


class TestExtends:
    def test_deep_merge_and_origins(self, tmp_path):
        (tmp_path / "base").mkdir()
        base = wrote(tmp_path / "base", FIXED_POINT)
        child = "extends: base/file.yaml\nalgorithm: {lr: 0.5}\ndata: {targets: [1]}\ntopology: {use: star, hub: 0}\n"
        (one,) = read(wrote(tmp_path, child)).methods
        assert (one.algorithm.lr, one.algorithm.local_steps, one.data.targets) == (0.5, 1, (1,))
        assert one.origins["algorithm.lr"] == f"{tmp_path}/file.yaml:2"
        assert one.origins["algorithm.local_steps"] == f"{base}:9"
        assert one.origins["algorithm.momentum"] == "default"
        assert one.origins["seed.run"] == f"{base}:2"

    def test_a_changed_use_replaces_the_section(self, tmp_path):
        wrote(tmp_path, FIXED_POINT, name="base.yaml")
        (one,) = read(wrote(tmp_path, "extends: base.yaml\nalgorithm: {use: baseline/local, lr: 1}\n")).methods
        assert one.algorithm.local_steps is None

    def test_an_error_in_the_parent_points_at_the_parent(self, tmp_path):
        wrote(tmp_path, FIXED_POINT, ("lr: 0.1", "lr: 0"), name="base.yaml")
        assert refusal(wrote(tmp_path, "extends: base.yaml\n")).startswith("base.yaml:9:35: algorithm.lr: must be")

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("extends: file.yaml\n", "file.yaml:1:10: extends: a circle: file.yaml -> file.yaml"),
            ("extends: bas.yaml\n", "did you mean"),
            ("extends: /etc/passwd\n", "relative to this one"),
            ("extends: [base.yaml]\n", "relative to this one"),
            ("extends: .\n", "is a folder"),
        ],
    )
    def test_refused(self, tmp_path, text, says):
        wrote(tmp_path, FIXED_POINT, name="base.yaml")
        assert says in refusal(wrote(tmp_path, text))

    def test_a_chain_has_an_end(self, tmp_path):
        for k in range(12):
            wrote(tmp_path, f"extends: {k + 1}.yaml\n", name=f"{k}.yaml")
        assert "more than 10 files" in refusal(tmp_path / "0.yaml")


def test_nothing_but_component_files_can_be_named(tmp_path):
    for use in ("os", "base", "build", "../data/csv", "swarmsim.topology.ring", "formats/graphml", "Ring", "_x", ""):
        path = wrote(tmp_path, FIXED_POINT, ("use: ring", f"use: '{use}'"))
        assert "topology.use: unknown name" in refusal(path)


@pytest.mark.parametrize("section", FOLDERS)
def test_every_section_has_components(section):
    assert components(section)
