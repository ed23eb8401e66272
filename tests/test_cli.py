"""The command line: what it prints, its exit codes, and what it does not import."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path

import pytest

from swarmsim.cli import main
from swarmsim.experiment import RuntimeSettings
from swarmsim.types import SwarmsimError
from tests.experiment.files import FIXED_POINT, METHODS, wrote

HEAVY = ("torch", "ray", "networkx", "sklearn", "scipy", "pandas", "tensorboard", "matplotlib", "PIL")


@pytest.fixture
def fake(monkeypatch):
    """Put a module in the place of one that does the work."""

    def put(name: str, **functions) -> None:
        module = types.ModuleType(name)
        vars(module).update(functions)
        monkeypatch.setitem(sys.modules, name, module)

    return put


def test_run_reads_the_file_and_hands_it_on(tmp_path, fake, monkeypatch):
    calls = []
    fake("swarmsim.study", run_study=lambda *arguments: calls.append(arguments))
    path = str(wrote(tmp_path, FIXED_POINT))
    monkeypatch.chdir(tmp_path)
    assert main(["run", path]) == 0
    assert main(["run", path, "--out", "x", "--seed", "5", "--runtime", "ray", "--hosts", "2", "--force",
                 "--set", "algorithm.lr=1e-3", "--set", "rounds=2"]) == 0  # fmt: skip
    (_, out, force), (study, elsewhere, forced) = calls
    assert (out, force, elsewhere, forced) == (Path("runs/fixed-point"), False, Path("x"), True)
    (one,) = study.methods
    assert (one.seed_run, one.rounds, one.algorithm.lr) == (5, 2, 1e-3)
    assert one.runtime == RuntimeSettings(use="ray", hosts=2, dtype="float64")


def test_resume_and_check(tmp_path, fake, capsys):
    calls = []
    fake("swarmsim.study", resume=lambda *arguments: calls.append(arguments))
    fake("swarmsim.check", check=lambda study, exact: {"name": study.name, "exact": exact}, render=lambda r: f"<{r}>")
    path = str(wrote(tmp_path, METHODS))
    assert main(["resume", "some/where"]) == 0
    assert main(["resume", "some/where", "--plugin", "a.b", "--plugin", "c"]) == 0
    assert calls == [(Path("some/where"), ()), (Path("some/where"), ("a.b", "c"))]
    assert main(["check", path, "--exact", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"name": "two", "exact": True}
    assert main(["check", path]) == 0
    assert capsys.readouterr().out == "<{'name': 'two', 'exact': False}>\n"


class Diverged(SwarmsimError):
    exit_code = 3


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (Diverged("NaN at b in round 3"), 3, "NaN at b in round 3\n"),
        (SwarmsimError("failed"), 1, "failed\n"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("odd"), 1, "swarmsim failed: ZeroDivisionError: odd"),
    ],
)
def test_exit_codes(tmp_path, fake, capsys, error, code, says):
    def fail(*_):
        raise error

    fake("swarmsim.study", run_study=fail)
    assert main(["run", str(wrote(tmp_path, FIXED_POINT)), "--out", str(tmp_path)]) == code
    said = capsys.readouterr()
    assert says in said.err
    assert not said.out
    assert "Traceback" not in said.err
    kept = list(tmp_path.glob("swarmsim-crash-*.txt"))
    assert len(kept) == isinstance(error, ZeroDivisionError)
    assert all("Traceback" in path.read_text() for path in kept)


def test_the_traceback_is_shown_if_asked_for(tmp_path, fake, capsys, monkeypatch):
    monkeypatch.setenv("SWARMSIM_TRACEBACK", "1")
    fake("swarmsim.study", run_study=lambda *_: 1 / 0)
    assert main(["run", str(wrote(tmp_path, FIXED_POINT))]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_bad_input(tmp_path, capsys):
    assert main(["run", str(wrote(tmp_path, FIXED_POINT, ("lr: 0.1", "lr: 0")))]) == 2
    assert "file.yaml:9:35: algorithm.lr: must be a number > 0, got 0\n    9 | algorithm" in capsys.readouterr().err
    assert main(["check", str(tmp_path / "no.yaml")]) == 2
    assert main(["run"]) == 2
    assert main(["dance"]) == 2
    assert main(["run", "x.yaml", "--hosts", "x"]) == 2
    assert main(["list", "modl"]) == 2
    assert main(["topology", "rin"]) == 2
    assert "did you mean `ring`?" in capsys.readouterr().err


def test_topology(tmp_path, capsys):
    assert main(["topology", "ring", "--n", "4", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"n", "edges", "directed", "connected", "doubly_stochastic", "stochastic", "rho",
                          "negative_weights", "spectral_gap", "lambda_min", "period", "window", "period_product_error",
                          "perron", "effective_neighbours", "degree"}  # fmt: skip
    assert (found["n"], found["edges"], found["rho"]) == (4, 4, pytest.approx(1 / 3))
    assert main(["topology", "star", "--set", "hub=2"]) == 0
    said = capsys.readouterr().out
    assert "connected                    yes" in said
    assert "\x1b" not in said
    assert main(["topology", "star", "--n", "4", "--set", "weights=uniform"]) == 0
    said = capsys.readouterr().out
    assert "doubly stochastic            no, rows alone sum to 1" in said
    assert "share of each institution    0.4, 0.2, 0.2, 0.2 (biased)" in said
    assert main(["topology", "random_matching"]) == 0
    assert "period                       none, described over 20 rounds" in capsys.readouterr().out
    (tmp_path / "net.edgelist").write_text("0 1\n1 2\n")
    assert main(["topology", str(tmp_path / "net.edgelist"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 3


def test_list_and_schema(capsys):
    assert main(["list", "topology"]) == 0
    said = capsys.readouterr().out
    assert "  ring  Ring: " in said
    assert "\x1b" not in said
    assert "algorithm" not in said
    assert main(["list", "--json"]) == 0
    assert {"topology", "runtime"} < {entry["section"] for entry in json.loads(capsys.readouterr().out)}
    assert main(["schema"]) == 0
    assert "$schema" in json.loads(capsys.readouterr().out)
    assert main(["--help"]) == 0
    assert "topology" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--help"], ["list"], ["schema"], ["run", "bad.yaml"]], ids=" ".join)
def test_nothing_heavy_is_imported(tmp_path, arguments):
    wrote(tmp_path, FIXED_POINT, ("swarm/dpsgd", "swarm/dpgsd"), name="bad.yaml")
    code = f"import sys\nfrom swarmsim.cli import main\nmain({arguments})\nprint(*sys.modules, file=sys.stderr)"
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sorted(set(HEAVY) & set(said.stderr.splitlines()[-1].split())) == []
