"""The JSON Schema and the listing say what the code says."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
import yaml
from jsonschema import Draft202012Validator

from swarmsim.experiment import json_schema, listing, read
from swarmsim.experiment.components import FOLDERS, components
from swarmsim.experiment.showing import listing_lines
from swarmsim.schedule.faults import Faults
from swarmsim.types import InputError
from tests.experiment.files import FIXED_POINT, METHODS, PLUGINS, wrote

EXPERIMENTS = sorted((Path(__file__).parents[2] / "experiments").glob("**/*.yaml"))


@pytest.fixture(scope="module")
def validator():
    schema = json_schema([name for names in PLUGINS.values() for name in names])
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def document(text: str):
    return yaml.safe_load(text)


@pytest.mark.parametrize("text", [FIXED_POINT, METHODS, "extends: a.yaml\nalgorithm: {lr: 1}\ntopology: null\n"])
def test_legal_files_are_valid(validator, text):
    assert not list(validator.iter_errors(document(text)))


def test_resolved_files_are_valid(validator, tmp_path):
    for text in (FIXED_POINT, METHODS):
        assert not list(validator.iter_errors(read(wrote(tmp_path, text)).resolved))


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_every_experiment_is_valid_and_legal(validator, path):
    assert not list(validator.iter_errors(document(path.read_text())))
    assert read(path, plugins=PLUGINS.get(path.stem, ())).methods


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("local_steps", "local_step"), ("lr: 0.1", "lr: -1"), ("lr: 0.1", "lr: x"), ("swarm/dpsgd", "swarm/dpgsd"),
        ("evaluate", "evaluat"), ("{use: ring}", "ring"), ("{use: ring}", "{use: ring, hub: 1}"),
        ("rounds: 1000\n", ""), ("{every: 500}", "{evry: 500}"), ("dtype: float64", "dtype: float16"),
        ("seed: 1", "seed: {dta: 1}"),
    ],
)  # fmt: skip
def test_a_typo_is_not_valid(validator, old, new):
    assert old in FIXED_POINT
    assert list(validator.iter_errors(document(FIXED_POINT.replace(old, new))))


def test_a_typo_in_a_method_is_not_valid(validator):
    assert list(validator.iter_errors(document(METHODS.replace("rounds: 5", "seed: 5"))))
    assert list(validator.iter_errors(document(METHODS.replace("lr: 0.2", "lrr: 0.2"))))


def test_the_listing_is_complete():
    entries = listing()
    named = {(entry["section"], entry["use"]) for entry in entries}
    assert named >= {(section, use) for section in FOLDERS for use in components(section)}
    assert named >= {("evaluate", None), ("checkpoint", None), ("runtime", None)}
    assert all(entry["description"] for entry in entries)
    arguments = [argument for entry in entries for argument in entry["arguments"]]
    assert all(set(a) == {"name", "type", "required", "default", "allowed", "description"} for a in arguments)
    assert all(a["type"] != "anything" for a in arguments)


def test_one_section_of_the_listing():
    (dpsgd,) = [entry for entry in listing("algorithm") if entry["use"] == "swarm/dpsgd"]
    arguments = {argument["name"]: argument for argument in dpsgd["arguments"]}
    assert arguments["lr"]["type"] == "float > 0"
    assert arguments["lr"]["required"]
    assert arguments["batch"]["type"] == "int >= 1 | null"
    assert arguments["order"]["allowed"] == ["adapt_then_combine", "combine_then_adapt"]
    with pytest.raises(InputError, match="did you mean `topology`"):
        listing("topolgy")


def test_the_listing_says_what_methods_do_under_faults():
    (dpsgd,) = [entry for entry in listing("algorithm") if entry["use"] == "swarm/dpsgd"]
    assert set(dpsgd["faults"]["obeys"]) | set(dpsgd["faults"]["refuses"]) == set(Faults.model_fields)
    lines = [click.unstyle(line).strip() for line in listing_lines([dpsgd], None)]
    assert any("faults obeys participation, churn, down: who is away keeps what it has" in line for line in lines)
    assert "faults refuses delay: its rounds wait for all of their messages" in "\n".join(lines)
    assert all("faults" not in entry for entry in listing() if entry["section"] != "algorithm")
    wrapped = [click.unstyle(line) for line in listing_lines(listing("algorithm"), 100)]
    assert all(len(line) <= 100 for line in wrapped if "faults obeys" in line)
