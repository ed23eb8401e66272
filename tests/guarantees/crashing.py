"""A process that has imported everything and forks a child for each run, to be killed at a point or after a while.

`python -m tests.guarantees.crashing` reads cases as JSON lines and answers with what was wrong with each.
"""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import IO, Any

__all__ = ["Crasher", "crasher"]

TOGETHER = 2  # cases at a time
PAUSE = 5.0  # seconds by which the clock of a resumed run is ahead: TensorBoard names its files by the second


class Crasher:
    """The process; `ask` gives it cases and returns their answers, in order."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process

    def ask(self, what: str, *cases: dict[str, Any]) -> list[Any]:
        """`points`: how often each point is reached by a whole run; `killed`: what is wrong after kills."""
        self._process.stdin.write(json.dumps({"what": what, "cases": cases}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())


@contextmanager
def crasher() -> Iterator[Crasher]:
    """Starts the process and ends it."""
    one = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    command = [sys.executable, "-m", "tests.guarantees.crashing"]
    root = Path(__file__).parents[2]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, cwd=root, env=os.environ | one, **pipes) as process:
        yield Crasher(process)
        process.stdin.close()


# ----------------------------------------------------------------------------------- cases, each in a child


def points(case: dict[str, Any]) -> dict[str, int]:
    """The whole run of `file` in `whole`, and how often it reaches each point."""
    trace = Path(case["whole"] + ".points")
    code, said = _command(["run", case["file"], "--out", case["whole"]], trace=trace)
    assert code == 0, said
    return Counter(trace.read_text().split())


def killed(case: dict[str, Any]) -> list[str]:
    """Kill the run of `file` at each entry of `kills` in turn, resume it, and say what differs from `whole`.

    An entry is [point, how often it is reached before], or seconds. With `used`, the folder holds a run already, which
    `--force` replaces.
    """
    from tests.guarantees.looking import differences, unreadable

    out, problems, first = Path(case["out"]), [], ["run", case["file"], "--out", case["out"]]
    if case.get("used"):
        _command(first)
        first.append("--force")
    for turn, kill in enumerate(case["kills"]):
        arguments = ["resume", str(out)] if turn and (out / "experiment.yaml").exists() else first
        code, said = _command(arguments, kill, turn * PAUSE)
        if isinstance(kill, list) and code != -signal.SIGKILL:
            problems.append(f"the run was not killed at {kill}: it ended with {code}: {said}")
        problems += unreadable(out)
    later = len(case["kills"]) * PAUSE
    if not (out / "experiment.yaml").exists():
        code, said = _command(["resume", str(out)])
        if code != 2 or "--force" not in said or len(said.splitlines()) != 1:
            problems.append(f"no run to resume, but exit {code}: {said}")
        code, said = _command([*first, "--force"], later=later)
    else:
        code, said = _command(["resume", str(out)], later=later)
    if code:
        problems.append(f"resume ended with {code}: {said}")
    return problems + differences(out, Path(case["whole"]))


def _command(
    arguments: list[str], kill: list | float | None = None, later: float = 0.0, trace: Path | None = None
) -> tuple[int, str]:
    """(exit code, or minus the signal; what it said on stderr) of a command of swarmsim, run in a child."""
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 2)
            _exit_with(lambda: _run(arguments, kill, later, trace))
        if isinstance(kill, float):
            time.sleep(kill)
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read()


def _run(arguments: list[str], kill: list | float | None, later: float, trace: Path | None) -> int:
    """What the child does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    from swarmsim.cli import main
    from swarmsim.log import points

    now = time.time
    time.time = lambda: now() + later
    if isinstance(kill, list):
        points.reached = _killer(*kill)
    elif trace:
        points.reached = _tracer(trace)
    return main(arguments)


def _killer(point: str, before: int) -> Callable[[str], None]:
    left = before

    def reached(name: str) -> None:
        nonlocal left
        if name == point:
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left -= 1

    return reached


def _tracer(path: Path) -> Callable[[str], None]:
    file = path.open("a")

    def reached(name: str) -> None:
        file.write(name + "\n")
        file.flush()

    return reached


# ------------------------------------------------------------------------------------------ the process


def _serve() -> None:
    _warm()
    for line in sys.stdin:
        asked = json.loads(line)
        work = {"points": points, "killed": killed}[asked["what"]]
        print(json.dumps(_in_children(work, asked["cases"])), flush=True)


def _in_children(work: Callable, cases: list) -> list:
    """The answers of each case, worked out in a child of its own, a few at a time."""
    answers, running, left = {}, {}, list(enumerate(cases))
    while left or running:
        while left and len(running) < TOGETHER:
            place, case = left.pop(0)
            answer = tempfile.TemporaryFile("w+")  # noqa: SIM115
            child = os.fork()
            if child == 0:
                _exit_with(lambda case=case, answer=answer: _answered(work, case, answer))
            running[child] = (place, answer)
        child, _ = os.wait()
        place, answer = running.pop(child)
        with answer:
            answer.seek(0)
            answers[place] = json.loads(answer.read() or '["no answer"]')
    return [answers[place] for place in range(len(cases))]


def _answered(work: Callable, case: dict, answer: IO[str]) -> int:
    try:
        found = work(case)
    except Exception:
        found = [traceback.format_exc()]
    answer.write(json.dumps(found))
    answer.flush()
    return 0


def _exit_with(work: Callable[[], int]) -> None:
    """End this child with the result, without the cleaning up that belongs to its parent."""
    code = 70
    try:
        code = work()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _warm() -> None:
    """Import what runs need by a first run.

    Pictures and areas under curves are left out, they take longer than everything else; and nothing waits for
    the disk, for a kill is no power failure.
    """
    from swarmsim.cli import main
    from swarmsim.log import figures
    from swarmsim.metrics import classification
    from tests.guarantees.looking import curves
    from tests.guarantees.runs import FEW, experiment

    os.fsync = lambda handle: None
    figures.partition_figure = figures.topology_figure = lambda *_, **__: _Blank()
    figures.png = lambda figure: b""
    classification._areas = lambda z, log_p, y: [float(log_p.std())]
    logging.getLogger("tensorboard").setLevel(logging.ERROR)  # it warns of every purge
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        with redirect_stdout(io.StringIO()):
            assert main(["run", str(experiment(Path(folder), *FEW[0])), "--out", str(out)]) == 0
        curves(out)
    gc.collect()
    gc.freeze()  # what is here is no garbage; looking for it would copy all of it into every child


class _Blank:
    def get_size_inches(self):
        import numpy as np

        return np.ones(2)


if __name__ == "__main__":
    _serve()
