"""What the README says is so: every block is read or run, every table is compared with the code."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import swarmsim.algorithms.swarm
from swarmsim.cli import commands, main
from swarmsim.experiment import components, read
from swarmsim.log.files import read_json
from swarmsim.log.scalars import TAGS
from swarmsim.runtime.host import Diverged
from swarmsim.types import InputError, SwarmsimError
from tests import jobs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TESTS = "<!-- tests -->"
PAGES = ("README.md", "experiments/README.md", "topologies/README.md", "CHANGELOG.md")


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def blocks(language: str, marked: str = "") -> list[str]:
    """The fenced blocks in a language, or those below an HTML comment."""
    return re.findall(rf"{re.escape(marked)}\n?```{language}\n(.*?)```", README, re.DOTALL)


def shown_commands() -> list[str]:
    lines = [line.partition("#")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return [line for line in lines if line.startswith("swarmsim ")]


def rows_of_table(head: str) -> dict[str, str]:
    """{first column: second column} of the table with that head."""
    found = re.search(rf"{re.escape(head)}\n\|[-|]+\n((?:\|.*\n)+)", README)
    return dict(line.strip("| ").split(" | ", 1) for line in found[1].splitlines())


@pytest.mark.parametrize("text", blocks("yaml"), ids=lambda text: text.split("\n", 1)[0])
def test_every_yaml_block_is_an_experiment_that_runs(text, tmp_path):
    (tmp_path / "block.yaml").write_text(text)
    rounds = 5 if "until: 6" in text else 2
    changes = ["--set", f"rounds={rounds}", "--runtime", "inline", "--out", str(tmp_path / "out")]
    assert main(["run", str(tmp_path / "block.yaml"), *changes]) == 0
    assert read_json(tmp_path / "out" / "manifest.json")["status"] == "completed"


def test_the_quickstart_is_the_file():
    file = (ROOT / "experiments" / "quickstart.yaml").read_text()
    assert blocks("yaml")[0] == "".join(line for line in file.splitlines(True) if not line.startswith("#"))


@pytest.mark.parametrize("line", shown_commands())
def test_every_command_is_understood(line):
    _, name, *arguments = shlex.split(line)
    with commands.commands[name].make_context(name, arguments) as context:
        if "file" in context.params:
            given = context.params
            assert read(given["file"], given["overrides"], plugins=given["plugins"])


@pytest.mark.parametrize("line", [line for line in shown_commands() if not re.match(r"swarmsim (run|resume)", line)])
def test_every_quick_command_runs(line, capsys):
    assert main(shlex.split(line)[1:]) == 0
    assert capsys.readouterr().out


def test_the_changes_that_are_proposed_are_legal():
    file = ROOT / "experiments" / "quickstart.yaml"
    for change in re.findall(r"--set (\S+?)`", README):
        assert read(file, [change])
    assert read(file, ["methods.4.topology={use: star}"])
    assert read(file, ["partition={use: dirichlet, alpha: 0.1}", "institutions=8"])


def test_the_refusal_is_the_real_one(tmp_path, capsys, monkeypatch):
    (shown,) = blocks("text")
    monkeypatch.chdir(tmp_path)
    line = shown.splitlines()[1].partition("| ")[2]
    sections = "data: {use: heart_disease}\npartition: {use: iid}\ninstitutions: 4\nmodel: {use: mlp}"
    rest = f"name: ring\nrounds: 1\n{sections}\ntask: {{use: classification}}\ntopology: {{use: ring}}\n"
    Path("ring.yaml").write_text(rest + "\n" * (13 - rest.count("\n")) + line + "\n")
    assert main(["check", "ring.yaml"]) == 2
    assert capsys.readouterr().err.startswith(shown.rstrip().removesuffix("..."))


def test_tags_are_documented():
    assert {tag.strip("`"): meaning for tag, meaning in rows_of_table("| tag | meaning |").items()} == TAGS


def test_exit_codes_are_documented():
    raised = {error.exit_code for error in (SwarmsimError, InputError, Diverged)}
    assert {int(code) for code in rows_of_table("| exit code | meaning |")} == raised | {0, 130}


def test_the_run_folder_is_documented(tmp_path):
    assert main(["run", "experiments/resume.yaml", "--out", str(tmp_path / "out"), "--set", "rounds=5"]) == 0
    written = {path.name for path in (tmp_path / "out").iterdir()} - {
        "Cleveland",
        "Hungary",
        "Switzerland",
        "VA Long Beach",
    }
    named = {name.strip("`/") for name in rows_of_table("| file | what |")}
    assert {re.sub(r"tfevents\..*", "tfevents.*", name) for name in written} == named


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_name_files_that_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:experiments|topologies|docs)/[\w/.]+\.(?:yaml|csv|md|png)\b", text))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_integration_script_runs_the_readme():
    """.ci/run takes its command out of the README: this is what it takes."""
    script = (ROOT / ".ci" / "run").read_text()
    (taken,) = re.findall(r'eval "\$\((.*)\)"', script)
    said = subprocess.run(["bash", "-c", taken], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert [said.strip()] == [block.strip() for block in blocks("bash", TESTS)]
    assert "pytest" in said


def test_versions_are_pinned_within_their_ranges():
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line)
    assert all(re.fullmatch(r"[\w.]+", version) for version in pins.values())
    wanted = re.findall(r"^    ([\w-]+) (?:==|>=)[\d.]+", (ROOT / "setup.cfg").read_text(), re.MULTILINE)
    names = {name.lower().replace("_", "-") for name in pins}
    assert {name for name in wanted if name not in names} <= {"medmnist", "monai"}


# ------------------------------------------------------------------------------------- the model that is shown


def test_the_model_is_the_file_and_runs_from_anywhere(tmp_path, monkeypatch):
    (source,) = blocks("python", "<!-- model -->")
    assert source == (ROOT / "experiments" / "plugins" / "attention_mlp.py").read_text()
    (tmp_path / "shown_model.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    changes = ["rounds=2", "model={use: shown_model, hidden: 8}"]
    options = [part for change in changes for part in ("--set", change)]
    file = str(ROOT / "experiments" / "own_model.yaml")
    assert main(["run", file, "--plugin", "shown_model", "--out", "out", *options]) == 0
    assert read_json(Path("out/manifest.json"))["plugins"] == ["shown_model"]
    layout = read_json(Path("out/baseline-local/model/layout.json"))
    assert [slot["name"] for slot in layout][:2] == ["attention.scores.weight", "attention.scores.bias"]


# ------------------------------------------------------------------------------------ the method that is shown


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    """swarmsim with the README's method in it, as if its file lay beside the others."""
    (source,) = blocks("python", "<!-- method -->")
    (tmp_path / "swarm").mkdir()
    (tmp_path / "swarm" / "pairs.py").write_text(source)
    for package, folder in ((swarmsim.algorithms, tmp_path), (swarmsim.algorithms.swarm, tmp_path / "swarm")):
        monkeypatch.setattr(package, "__path__", [*package.__path__, str(folder)])
    forget()
    yield components.component("algorithm", "swarm/pairs")
    monkeypatch.undo()
    forget()


def forget() -> None:
    for cached in (components.components, components._files, components._exported):
        cached.cache_clear()


def test_the_method_is_found_and_runs(pairs, tmp_path):
    changes = ["--set", "algorithm.use=swarm/pairs", "--set", "algorithm.lr=0.05", "--set", "rounds=3"]
    out = tmp_path / "out"
    assert main(["run", "experiments/hospital_network.yaml", "--out", str(out), *changes]) == 0
    summary = read_json(out / "summary.json")
    assert summary["messages"] == 2 * 3  # one there and one back, every round
    assert summary["bytes"] == 2 * 3 * 4 * 3042
    assert {"local", "merged"} <= set(summary["scores"])


def test_the_method_averages_two_and_keeps_the_mean(pairs):
    targets = [0.0, 1.0, 5.0, 10.0]
    job = jobs.job(pairs(lr=1.0), jobs.quadratic(targets), rounds=1)  # lr 1: training ends at the own target
    after = jobs.run(job).params[:, 0]
    assert after.mean() == pytest.approx(4)
    assert sum(a != b for a, b in zip(after, targets, strict=True)) == 2
    assert len(set(after.tolist())) == 3
