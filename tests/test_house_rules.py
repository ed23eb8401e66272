"""The rules of the house that a machine can check; who may import whom is in setup.cfg, for import-linter."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
from pathlib import Path

import pytest

import swarmsim
from swarmsim.types import Arguments

ROOT = Path(swarmsim.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py") if path.stat().st_size)
TREES = {path: ast.parse(path.read_text()) for path in FILES}
COMPONENTS = ("algorithms", "models", "tasks", "topology", "merge", "data", "partition")
OWNERS = {  # heavy or dangerous libraries, and the only places that may name them
    "ray": ("runtime/ray",),
    "tensorboard": ("log/",),
    "yaml": ("experiment/", "topology/formats/"),
    "networkx": ("topology/", "log/figures.py", "lazy.py"),
    "sklearn": ("metrics/",),
    "matplotlib": ("log/",),
    "scipy": ("topology/", "metrics/"),
    "safetensors": ("log/",),
    "monai": ("models/_monai.py",),
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    return ".".join(("swarmsim", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


every_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def imports(tree: ast.Module) -> set[str]:
    """Full names of everything imported when code runs, wherever the statement stands; type checking does not run."""
    skipped = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for part in node.body
        for inner in ast.walk(part)
    }
    found = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def components() -> list[tuple[str, type]]:
    """Every class that can be written after `use:`, by its file."""
    found = []
    for room in COMPONENTS:
        for path in sorted((ROOT / room).rglob("*.py")):
            tree = TREES.get(path)
            holds_classes = tree is not None and any(isinstance(node, ast.ClassDef) for node in tree.body)
            if path.name.startswith("_") or not holds_classes:
                continue
            module = importlib.import_module(module_of(path))
            own = [getattr(module, name) for name in module.__all__ if inspect.isclass(getattr(module, name))]
            usable = [kind for kind in own if issubclass(kind, Arguments) and kind.__module__ == module.__name__]
            found += [(name_of(path), kind) for kind in usable]
    return found


USABLE = [pair for pair in components() if pair[0].rsplit("/", 1)[1].removesuffix(".py") not in ("base", "source")]
every_component = pytest.mark.parametrize(("file", "kind"), USABLE, ids=[file for file, _ in USABLE])


def test_there_is_something_to_check():
    assert len(FILES) > 60
    assert {file.split("/")[0] for file, _ in USABLE} == set(COMPONENTS)
    assert len(USABLE) > 25


@every_file
def test_a_module_says_what_it_is_and_what_it_exports(path):
    tree, module = TREES[path], importlib.import_module(module_of(path))
    assert ast.get_docstring(tree)
    if path.name != "__init__.py" or len(tree.body) > 1:
        assert all(hasattr(module, name) for name in module.__all__)


@every_file
def test_a_module_exports_all_that_others_import_from_it(path):
    mine = {f"{module_of(path)}.": set(importlib.import_module(module_of(path)).__dict__.get("__all__", []))}
    (prefix, exported) = next(iter(mine.items()))
    submodules = {child.stem for child in path.parent.iterdir()} if path.name == "__init__.py" else set()
    wanted = {name.removeprefix(prefix) for tree in TREES.values() for name in imports(tree) if name.startswith(prefix)}
    assert {name for name in wanted if "." not in name} - submodules <= exported


@every_file
def test_files_and_functions_are_short(path):
    lines = path.read_text().splitlines()
    assert len(lines) <= 300
    for node in ast.walk(TREES[path]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.end_lineno - node.lineno < 60, node.name


@every_file
def test_heavy_libraries_stay_in_their_rooms(path):
    for library, rooms in OWNERS.items():
        prefixes = (f"{library}.", f"torch.utils.{library}.", f"swarmsim.lazy.{library}.")
        named = [name for name in imports(TREES[path]) if f"{name}.".startswith(prefixes)]
        assert not named or name_of(path).startswith(rooms), (library, named)


@every_file
def test_nothing_from_outside_is_executed(path):
    """No pickles, no eval, no yaml.load: files are data."""
    tree = TREES[path]
    modules = {name.split(".")[0] for name in imports(tree)}
    assert not modules & {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "joblib"}
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    banned = {
        "eval",
        "exec",
        "torch.load",
        "torch.save",
        "yaml.load",
        "yaml.unsafe_load",
        "yaml.full_load",
        "os.system",
    }
    assert not calls & banned
    loads = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("np.load")
    ]
    for call in loads:
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        assert given.get("allow_pickle", "False") == "False"


@every_file
def test_nothing_is_left_to_do_or_ignored(path):
    text = path.read_text()
    assert not re.search(r"\b(TODO|FIXME|XXX|HACK)\b", text)
    assert not re.search(r"^\s*print\(.*#\s*debug", text, re.MULTILINE)
    for node in ast.walk(TREES[path]):
        assert not (isinstance(node, ast.ExceptHandler) and node.type is None), "a bare except"


@every_component
def test_what_can_be_used_says_what_it_is_and_where_it_comes_from(file, kind):
    words = inspect.getdoc(kind)
    first = words.splitlines()[0]
    assert len(first) <= 120
    assert kind.__doc__ != Arguments.__doc__
    if file.split("/")[0] in ("algorithms", "models", "tasks", "topology", "merge"):
        assert re.search(r"^Reference: \S", words, re.MULTILINE)


@every_component
def test_a_file_exports_one_class_named_like_it(file, kind):
    stem = file.rsplit("/", 1)[1].removesuffix(".py")
    assert len([other for other, _ in USABLE if other == file]) == 1
    assert kind.__name__.lower() == stem.replace("_", "")


@every_component
def test_the_defaults_of_arguments_are_legal(file, kind):
    """A default that its own bounds refuse shows only when somebody writes it down."""
    required = {
        "lr": 0.1,
        "path": "x",
        "dataset": "x",
        "targets": (0.0, 1.0),
        "cut": (1, 2) if any(name in file for name in ("u_shaped", "multi_task")) else 1,
        "stages": ({"owner": "institution", "until": 1}, {"owner": "server"}),
        "regions": 2,
        "trim": 1,
        "byzantine": 1,
        "tau": 1.0,
    }
    needs = [name for name, field in kind.model_fields.items() if field.is_required()]
    if set(needs) <= set(required):
        try:
            made = kind(**{name: required[name] for name in needs})
        except ValueError as error:
            assert "Value error, " in str(error)  # no bound of a field, but a choice that must be made
            return
        assert kind(**made.model_dump(mode="python")) == made


METHODS = [path for path in FILES if name_of(path).startswith("algorithms/")]
PROGRAM = "split.horizontal.Horizontal"


@pytest.mark.parametrize("path", METHODS, ids=name_of)
def test_a_method_imports_no_method(path):
    """The pieces of its room (`_steps`) it may; and a preset of split learning is a preset of the one program."""
    others = {name.removeprefix("swarmsim.algorithms.") for name in imports(TREES[path]) if "algorithms." in name}
    named = {name for name in others if not name.removeprefix(f"{path.parent.name}.").startswith("_")}
    assert named <= ({PROGRAM} if path.parent.name == "split" else set())


@pytest.mark.parametrize("path", METHODS, ids=name_of)
def test_a_method_knows_no_runtime_no_files_and_no_clock(path):
    banned = (
        "swarmsim.runtime",
        "swarmsim.log",
        "swarmsim.experiment",
        "swarmsim.run",
        "time",
        "pathlib",
        "os",
        "random",
    )
    assert not [name for name in imports(TREES[path]) if name.startswith(banned)]
    assert "torch.rand" not in path.read_text()


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT.parent, capture_output=True, check=False)
    return [ROOT.parent / name for name in listed.stdout.decode().split("\0") if name]


def test_no_tracked_file_names_a_machine():
    """Paths of somebody's home, or of the place where this was written, are nobody else's."""
    places = re.compile("|".join(("/ho" + "me/", "/Use" + "rs/", "/wo" + "rk/", "/ro" + "ot/", "/tmp/ve" + "nv")))
    text = [path for path in tracked() if path.suffix in (".py", ".cfg", ".toml", ".md", ".yaml", ".sh", ".txt")]
    named = [path for path in text if path.is_file() and places.search(path.read_text(errors="replace"))]
    assert not named


def test_random_numbers_come_from_addresses_alone():
    """numpy's and torch's global generators, and Python's, are seeded nowhere else than by an address."""
    seeding = ("np.random.seed", "random.seed", "np.random.default_rng", "np.random.rand", "np.random.shuffle")
    for path, tree in TREES.items():
        calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        assert not calls & set(seeding), name_of(path)
        assert "torch.manual_seed" not in calls or name_of(path) == "rows.py"
