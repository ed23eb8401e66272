"""The command line: run, resume, check, plan, topology, list, schema.

Exit codes: 0 done, 1 failed, 2 bad input, 3 diverged, 130 interrupted. Everything is imported by the command that
needs it, so that `--help`, `list`, `schema` and the refusal of a bad file are quick.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from swarmsim import __version__
from swarmsim.types import SwarmsimError

if TYPE_CHECKING:
    from swarmsim.experiment import Study

__all__ = ["main"]

INSTITUTIONS = 16  # of a named topology when --n is not given: a number that every one of them allows


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. Errors go to stderr, without a traceback."""
    where: dict[str, Path] = {}
    try:
        return commands.main(arguments, "swarmsim", standalone_mode=False, obj=where) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return 130
    except SwarmsimError as error:
        click.echo(str(error), err=True)
        return error.exit_code
    except Exception as error:
        click.echo(_crashed(error, where.get("out")), err=True)
        return 1


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def commands() -> None:
    """Simulate how hospitals train one model together without pooling their patients."""


def _on_the_path(_context: click.Context, _option: click.Parameter, names: tuple[str, ...]) -> tuple[str, ...]:
    """Modules are looked for in the current directory too, as by `python -m`."""
    if names and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    return names


_plugin_option = click.option(
    "--plugin", "plugins", multiple=True, metavar="MODULE", callback=_on_the_path,
    help="Import MODULE; its component can then be written as `use: MODULE`.",
)  # fmt: skip


def _file_options(command: Callable) -> Callable:
    """FILE and what changes it, for the commands that read an experiment file."""
    for option in (
        click.option("--address", metavar="ADDR", help="Join the Ray cluster at ADDR instead of starting one here."),
        click.option("--hosts", type=int, metavar="N", help="Number of Ray actors."),
        click.option("--runtime", type=click.Choice(["inline", "packed", "ray"]), help="What computes."),
        click.option("--seed", type=int, metavar="N", help="Seed of data and run."),
        click.option("--set", "overrides", multiple=True, metavar="KEY.PATH=VALUE", help="Change a value of the file."),
        _plugin_option,
        click.argument("file"),
    ):
        command = option(command)
    return command


@commands.command()
@_file_options
@click.option("--out", metavar="DIR", help="Run folder; runs/NAME if absent.")
@click.option("--force", is_flag=True, help="Replace an earlier run in that folder.")
@click.pass_obj
def run(where: dict[str, Path], out: str | None, force: bool, **options: Any) -> None:
    """Train every method of an experiment FILE and write the run folder."""
    study = _read(**options)
    where["out"] = Path(out or Path("runs", study.name))
    from swarmsim.study import run_study

    run_study(study, where["out"], force)


@commands.command()
@click.argument("folder", metavar="DIR")
@_plugin_option
@click.pass_obj
def resume(where: dict[str, Path], folder: str, plugins: tuple[str, ...]) -> None:
    """Continue the run in DIR from its last checkpoint, to the same bits."""
    where["out"] = Path(folder)
    from swarmsim.study import resume as resume_run

    resume_run(where["out"], plugins)


@commands.command()
@_file_options
@click.option("--exact", is_flag=True, help="Run the unsplit or centralised twin and compare.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(exact: bool, as_json: bool, **options: Any) -> None:
    """Say what an experiment FILE would do, without training."""
    study = _read(**options)
    from swarmsim.check import check as check_study
    from swarmsim.check import render

    report = check_study(study, exact)
    click.echo(_json(report) if as_json else render(report))


@commands.command()
@_file_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--timeline", metavar="FILE", help="Write who computes, sends and waits, for Perfetto (Chrome trace JSON)."
)
def plan(as_json: bool, timeline: str | None, **options: Any) -> None:
    """Say how long an experiment FILE would take whom and what it would send, to the byte, without training."""
    study = _read(**options)
    from swarmsim.plan import courses, write_timeline
    from swarmsim.plan import plan as plan_study
    from swarmsim.plan_words import render

    found = courses(study)
    report = plan_study(study, found)
    if timeline is not None:
        write_timeline(Path(timeline), found)
    click.echo(_json(report) if as_json else render(report))


@commands.command()
@click.argument("spec")
@click.option("--n", type=click.IntRange(1), metavar="N", help=f"Institutions; {INSTITUTIONS} if absent.")
@click.option("--seed", type=click.IntRange(0), default=0, metavar="N", help="Of a random graph.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="An argument of the topology.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_plugin_option
def topology(
    spec: str, n: int | None, seed: int, overrides: tuple[str, ...], as_json: bool, plugins: tuple[str, ...]
) -> None:
    """Describe a topology: a name (see `list topology`) or a file."""
    from swarmsim.experiment import read_section
    from swarmsim.topology.describe import describe

    is_file = spec not in plugins and (Path(spec).exists() or Path(spec).name != spec or bool(Path(spec).suffix))
    use, values = ("file", {"path": spec}) if is_file else (spec, {})
    section = read_section("topology", use, overrides, plugins, **values)
    found = describe(section, n or (None if is_file else INSTITUTIONS), seed)
    click.echo(_json(found) if as_json else _described(spec, found))


@commands.command("list")
@click.argument("section", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_plugin_option
def list_(section: str | None, as_json: bool, plugins: tuple[str, ...]) -> None:
    """List what can be written in a file: every `use`, its arguments and defaults."""
    from swarmsim.experiment import listing
    from swarmsim.experiment.showing import listing_lines

    entries = listing(section, plugins)
    width = os.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(_json(entries) if as_json else "\n".join(listing_lines(entries, width)).rstrip())


@commands.command()
@_plugin_option
def schema(plugins: tuple[str, ...]) -> None:
    """Print the JSON Schema of experiment files, for completion in an editor."""
    from swarmsim.experiment import json_schema

    click.echo(_json(json_schema(plugins)))


def _read(file: str, **options: Any) -> Study:
    from swarmsim.experiment import read

    return read(file, **options)


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _described(spec: str, found: dict[str, Any]) -> str:
    degree, yes = found["degree"], {True: "yes", False: "no"}
    facts = {
        "institutions": found["n"],
        "edges": f"{found['edges']}, {'directed' if found['directed'] else 'undirected'}",
        "degree": f"min {degree['min']}, mean {degree['mean']:.4g}, max {degree['max']}",
        "connected": yes[found["connected"]],
        "doubly stochastic": yes[found["doubly_stochastic"]] + _sums(found),
        "rho": f"{found['rho']:.6g}",
        "spectral gap": f"{found['spectral_gap']:.6g}",
        "lambda_min": f"{found['lambda_min']:.6g}",
        "period": found["period"] or f"none, described over {found['window']} rounds",
        "|product of one period - J|": f"{found['period_product_error']:.6g}",
    }
    if (effective := found["effective_neighbours"]) is not None:
        facts["effective neighbours"] = f"{effective:.4g} (noise that decays by 0.95 a round)"
    if found["perron"] is not None:
        facts["share of each institution"] = ", ".join(f"{share:.3g}" for share in found["perron"]) + " (biased)"
    lines = [f"  {click.style(name.ljust(29), fg='cyan')}{value}" for name, value in facts.items()]
    return "\n".join([click.style(spec, bold=True), *lines])


def _sums(found: dict[str, Any]) -> str:
    if found["negative_weights"]:
        return ", some weights are negative"
    only = {"doubly": "", "rows": ", rows alone sum to 1", "columns": ", columns alone sum to 1"}
    return only.get(found["stochastic"], ", neither rows nor columns sum to 1")


def _crashed(error: Exception, out: Path | None) -> str:
    """What to say of an error that nobody foresaw; its traceback is kept in a file, or shown if asked for."""
    text = "".join(traceback.format_exception(error))
    if os.environ.get("SWARMSIM_TRACEBACK") == "1":
        return text
    folder = out if out and out.is_dir() else Path(tempfile.gettempdir())
    path = folder / f"swarmsim-crash-{os.getpid()}.txt"
    try:
        path.write_text(text, encoding="utf-8")
    except OSError:
        return text
    message = str(error).splitlines()[0] if str(error) else ""
    return f"swarmsim failed: {type(error).__name__}: {message}\nThe traceback is in {path}; please report it."
