"""Components from outside: named on the command line alone, checked, and the same on every runtime."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest

from swarmsim.cli import main
from swarmsim.experiment import json_schema, listing, read
from swarmsim.experiment.components import FOLDERS
from swarmsim.experiment.plugins import NEEDS
from swarmsim.types import InputError
from tests import jobs
from tests.experiment.files import FIXED_POINT, refusal, wrote

MODEL = '''\
"""A line through the origin."""

import torch
from typing import ClassVar
from pydantic import Field
from swarmsim.types import Arguments

__all__ = ["Line"]


class Line(Arguments):
    """A linear model of one's own."""

    section: ClassVar[str] = "model"
    bias: bool = Field(False, description="an intercept")

    def stages(self, example, outputs):
        return [("flat", torch.nn.Flatten()), ("line", torch.nn.Linear(example[0], outputs, bias=self.bias))]
'''
FILE = """\
name: mine
rounds: 4
data:      {use: heart_disease}
partition: {use: natural, column: hospital}
model:     {use: MODULE, bias: true}
task:      {use: classification}
algorithm: {use: baseline/local, lr: 0.1, batch: 64}
checkpoint: {every: 2}
runtime:   {use: inline}
"""
NUMBERS = count(1)
SAME = ("metrics.csv", "ledger.csv", "model/rows.safetensors", "model/layout.json")


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder, current, and a name of a module that no other test uses."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    known = set(sys.modules)
    yield f"plugin{next(NUMBERS)}"
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "") or "").startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.fixture
def mine(here):
    """MODEL in a package, and an experiment that uses it: the name of the module."""
    Path(here).mkdir()
    Path(here, "line.py").write_text(MODEL)
    Path("mine.yaml").write_text(FILE.replace("MODULE", f"{here}.line"))
    return f"{here}.line"


def said(capsys, *arguments: str) -> str:
    """What a refused command writes."""
    assert main([*arguments]) == 2
    return capsys.readouterr().err


def test_a_plugin_trains_where_it_is_named(mine):
    assert main(["run", "mine.yaml", "--plugin", mine, "--out", "out"]) == 0
    layout = json.loads(Path("out/model/layout.json").read_text())
    assert [(slot["name"], slot["shape"]) for slot in layout] == [("line.weight", [2, 13]), ("line.bias", [2])]
    assert json.loads(Path("out/manifest.json").read_text())["plugins"] == [mine]
    assert main(["check", "mine.yaml", "--plugin", mine, "--exact"]) == 0


def test_it_is_the_linear_model_that_the_package_has(mine):
    """The oracle is an `mlp` without hidden layers: one linear stage, initialised by the same numbers."""
    for out, change in (("mine", "rounds=4"), ("theirs", "model={use: mlp, hidden: []}")):
        assert main(["run", "mine.yaml", "--plugin", mine, "--out", out, "--set", change]) == 0
    assert Path("mine/metrics.csv").read_bytes() == Path("theirs/metrics.csv").read_bytes()


def test_a_file_alone_imports_nothing(mine, capsys):
    Path(mine.replace(".", "/") + ".py").write_text("raise SystemExit('imported')\n")
    message = said(capsys, "run", "mine.yaml")
    assert "mine.yaml:5:18: model.use: unknown name" in message
    assert f"a plug-in must be named on the command line as well: --plugin {mine}" in message
    assert mine not in sys.modules


def test_a_name_without_dots_may_be_a_plugin_too(here, capsys):
    Path(f"{here}.py").write_text(MODEL)
    Path("mine.yaml").write_text(FILE.replace("MODULE", here))
    message = said(capsys, "run", "mine.yaml")
    assert "allowed: cnn, logistic, " in message
    assert f"--plugin {here}" in message
    assert main(["run", "mine.yaml", "--plugin", here, "--out", "out"]) == 0


def test_a_typo_is_guessed_among_plugins(mine, capsys):
    Path("mine.yaml").write_text(FILE.replace("MODULE", mine[:-1]))
    assert f"did you mean `{mine}`?" in said(capsys, "run", "mine.yaml", "--plugin", mine)


def test_the_wrong_section_is_named(mine, capsys):
    text = FILE.replace("MODULE", "mlp").replace(", bias: true", "").replace("classification", mine)
    Path("mine.yaml").write_text(text)
    assert f"the plug-in {mine} belongs to the section `model`" in said(capsys, "run", "mine.yaml", "--plugin", mine)


def test_its_arguments_are_checked_like_any(mine, capsys):
    message = said(capsys, "run", "mine.yaml", "--plugin", mine, "--set", "model.bias=3")
    assert "model.bias: must be true or false, got 3" in message
    message = said(capsys, "run", "mine.yaml", "--plugin", mine, "--set", "model.bais=true")
    assert "did you mean `bias`?" in message


def test_resume_needs_the_plugin_again_and_says_which(mine, capsys, monkeypatch):
    from swarmsim.log.run_folder import RunFolder

    record = RunFolder.record

    def interrupted(folder, report):
        record(folder, report)
        if report.round == 3:
            raise KeyboardInterrupt

    assert main(["run", "mine.yaml", "--plugin", mine, "--out", "whole"]) == 0
    monkeypatch.setattr(RunFolder, "record", interrupted)
    assert main(["run", "mine.yaml", "--plugin", mine, "--out", "broken"]) == 130
    monkeypatch.undo()
    capsys.readouterr()
    monkeypatch.chdir(Path(sys.modules[mine].__file__).parents[1])
    assert f"--plugin {mine}" in said(capsys, "resume", "broken")
    assert main(["resume", "broken", "--plugin", mine]) == 0
    assert all(Path("whole", name).read_bytes() == Path("broken", name).read_bytes() for name in SAME)


def test_list_and_schema_show_it(mine, capsys):
    assert main(["list", "model", "--plugin", mine]) == 0
    listed = capsys.readouterr().out
    assert f"  {mine}  A linear model of one's own." in listed
    assert "an intercept" in listed
    uses = [entry["use"] for entry in listing("model", [mine])]
    assert uses[-1] == mine
    assert mine not in [entry["use"] for entry in listing()]
    assert f"model.{mine}" in json_schema([mine])["$defs"]
    assert f"model.{mine}" not in json_schema()["$defs"]


def test_a_topology_of_ones_own(here, capsys):
    """Two institutions and one edge: W has 1/2 everywhere, so that one round reaches the mean."""
    source = MODEL.split("class")[0].replace(
        "swarmsim.types import Arguments", "swarmsim.topology.base import Topology"
    )
    body = "    def graph(self, n, seed):\n        import networkx\n        return networkx.path_graph(2)\n"
    Path(f"{here}.py").write_text(f'{source}class Line(Topology):\n    section: ClassVar[str] = "topology"\n{body}')
    assert main(["topology", here, "--plugin", here, "--n", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["edges"], found["spectral_gap"]) == (1, pytest.approx(1))


def test_a_method_of_ones_own(here):
    """D-PSGD under another name gives what D-PSGD gives."""
    Path(f"{here}.py").write_text(
        "from typing import ClassVar\nfrom swarmsim.algorithms.swarm.dpsgd import Dpsgd\n__all__ = ['Mine']\n"
        'class Mine(Dpsgd):\n    section: ClassVar[str] = "algorithm"\n'
    )
    for use in (here, "swarm/dpsgd"):
        wrote(Path(), FIXED_POINT, ("rounds: 1000", "rounds: 20"), ("swarm/dpsgd", use))
        assert main(["run", "file.yaml", "--plugin", here, "--out", use]) == 0
    assert all(Path(here, name).read_bytes() == Path("swarm/dpsgd", name).read_bytes() for name in SAME)


def test_every_section_says_what_it_needs():
    """The members that NEEDS asks of a plug-in are those that every component of the package has."""
    from swarmsim.experiment.components import components

    assert set(NEEDS) == set(FOLDERS)
    for section, needs in NEEDS.items():
        for use, cls in components(section).items():
            assert [part for part in needs if not (hasattr(cls, part) or part in cls.model_fields)] == [], use


HEAD = "from typing import ClassVar\nfrom swarmsim.types import Arguments\n"


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (HEAD, "must export one class, as in __all__ = [\"Mine\"]; it exports nothing"),
        (HEAD + "__all__ = ['A', 'B']\nclass A(Arguments): pass\nclass B(Arguments): pass", "it exports A, B"),
        (HEAD + "__all__ = ['A']\nA = 3", "A must be a class of this module, a subclass of swarmsim.types.Arguments"),
        (HEAD + "__all__ = ['A']\nclass A: section = 'model'", "A must be a class of this module, a subclass of"),
        ("from swarmsim.models.mlp import Mlp\n__all__ = ['Mlp']", "Mlp must be a class of this module"),
        (HEAD + "__all__ = ['A']\nclass A(Arguments): pass", 'write section: ClassVar[str] = "model" in it'),
        (HEAD + "__all__ = ['A']\nclass A(Arguments):\n    section: ClassVar[str] = 'modle'",
         "A.section: no section 'modle'; did you mean `model`? allowed: data, partition, model, "),
        (HEAD + "__all__ = ['A']\nclass A(Arguments):\n    section: ClassVar[str] = 'task'\n    loss: float",
         "A lacks outputs, scored_by; what the section task needs: outputs, loss, scored_by"),
        ("from swarmsim.topology.base import Topology\nfrom typing import ClassVar\n__all__ = ['A']\n"
         "class A(Topology):\n    section: ClassVar[str] = 'topology'", "A is abstract: it lacks graph"),
        ("x = 1\ny = 1 / 0\n", "could not be imported: ZeroDivisionError: division by zero (NAME.py, line 2)"),
        ("import no_such_library\n", "could not be imported: ModuleNotFoundError: No module named 'no_such_"),
        ("x = = 1\n", "could not be imported: SyntaxError: invalid syntax (NAME.py, line 1)"),
        ("raise SystemExit(3)\n", "could not be imported: SystemExit: 3 (NAME.py, line 1)"),
    ],
)  # fmt: skip
def test_a_module_that_is_no_plugin(here, capsys, source, says):
    Path(f"{here}.py").write_text(source)
    message = said(capsys, "list", "model", "--plugin", here)
    assert message.startswith(f"--plugin {here}: ")
    assert says.replace("NAME", here) in message
    assert "Traceback" not in message


def test_a_module_that_is_not_there(mine, capsys):
    package = mine.partition(".")[0]
    for name, says in {
        mine[:-1]: f"there is no module `{mine[:-1]}` in the package `{package}`; did you mean `{mine}`?",
        f"{mine}.Line": f"there is no module `{mine}.Line`; did you mean `{mine}`?",
        f"{package}x.line": f"no module `{package}x` in the current directory, nor among what is installed",
        f"./{package}/line.py": f"must be the name of a module, such as package.module; did you mean `{mine}`?",
        "a b": "must be the name of a module",
        "": "must be the name of a module",
    }.items():
        assert says in said(capsys, "list", "--plugin", name)


def test_a_name_that_a_file_of_the_package_has_is_refused(here, capsys):
    Path("mlp.py").write_text(MODEL)
    assert "--plugin mlp: there is a model of that name already; rename" in said(capsys, "list", "--plugin", "mlp")


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        (
            "[('line', torch.nn.Linear(5, outputs))]",
            "stage 'line': given [3, 13] (3 examples), it raised RuntimeError: ",
        ),
        ("torch.nn.Sequential(torch.nn.Linear(13, 2))", "stages must return a list of pairs (name, torch.nn.Module)"),
        ("[(1, 2, 3)][5]", "raised IndexError: list index out of range"),
    ],
)
def test_a_model_that_does_not_fit_is_refused_before_training(mine, capsys, stages, says):
    path = Path(mine.replace(".", "/") + ".py")
    path.write_text(MODEL.split("        return ")[0] + f"        return {stages}\n")
    assert says in said(capsys, "run", "mine.yaml", "--plugin", mine, "--out", "out")
    assert not Path("out/metrics.csv").exists()


def test_a_model_that_cannot_be_packed_is_refused_before_training(mine, capsys):
    """A branch on a number is fine for one institution, and nothing that vmap can take for several."""
    path = Path(mine.replace(".", "/") + ".py")
    branch = "class Branch(torch.nn.Module):\n    def forward(self, x):\n        return x if x.sum() > 0 else -x\n\n\n"
    stages = '[("branch", Branch()), ("line", torch.nn.Linear(13, 2))]'
    path.write_text(
        MODEL.split("        return ")[0].replace("class", f"{branch}class", 1) + f"        return {stages}\n"
    )
    assert main(["run", "mine.yaml", "--plugin", mine, "--out", "out"]) == 0
    message = said(capsys, "run", "mine.yaml", "--plugin", mine, "--out", "packed", "--runtime", "packed")
    assert "runtime packed: stage 'branch' cannot be computed for several institutions at once" in message


def test_python_callers_name_plugins_as_an_argument(mine, monkeypatch):
    monkeypatch.syspath_prepend(".")
    assert read("mine.yaml", plugins=[mine]).methods[0].model.bias is True
    assert "--plugin" in refusal(Path("mine.yaml").absolute())


def test_without_plugins_nothing_of_the_folder_is_imported(mine):
    """Not even the folder is looked in: a module there that bears a library's name does no harm."""
    Path("yaml.py").write_text("raise SystemExit('imported')\n")
    code = "import sys; from swarmsim.cli import main; sys.path[:] = sys.path[1:]; sys.exit(main(['list']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "resnet" in done.stdout


def test_the_fixed_point_is_no_plugin(tmp_path):
    assert read(wrote(tmp_path, FIXED_POINT)).plugins == []


# --------------------------------------------------------------------------------------------- on Ray


@pytest.mark.ray
def test_ray_computes_the_same_bits_as_inline(mine, ray_session):
    """Ray was started elsewhere: actors find the module because they look where this process looks."""
    for out, runtime in (("inline", "inline"), ("ray", "ray")):
        assert main(["run", "mine.yaml", "--plugin", mine, "--out", out, "--runtime", runtime]) == 0
    assert all(Path("inline", name).read_bytes() == Path("ray", name).read_bytes() for name in SAME)


@pytest.mark.ray
def test_a_machine_of_a_cluster_without_the_module_is_named(mine, ray_session, monkeypatch):
    """With an address, hosts look in their own path only, as on another machine."""
    from swarmsim.algorithms.baseline.local import Local
    from swarmsim.experiment.plugins import plugin
    from swarmsim.runtime.ray import RayHosts

    monkeypatch.syspath_prepend(".")
    work = jobs.job(Local(lr=0.1), jobs.blobs(), model=plugin(mine).cls())
    with RayHosts(1, address="elsewhere") as runtime, pytest.raises(InputError, match="on every machine") as caught:
        runtime.start(work)
    assert f"--plugin {mine}: host 0 on " in str(caught.value)
