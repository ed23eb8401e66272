"""Ray's session: nothing listens to the outside, nothing is left behind, and a start that fails says why."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from socket import SOCK_DGRAM

import pytest

from swarmsim.cli import main
from swarmsim.runtime.ray_session import sweep
from swarmsim.types import InputError
from tests.guarantees.runs import experiment
from tests.methods import RAY_HOSTS, small_job

ROOT = Path(__file__).parents[2]
SAME = ("metrics.csv", "ledger.csv", "merges.csv", "events.csv", "model/rows.safetensors")


def python(code: str, *arguments: str, **options) -> subprocess.Popen:
    """A process of its own that runs some code, where the package and its tests are found."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


# --------------------------------------------------------------------------------------------------- listeners


@pytest.mark.ray
def test_nothing_listens_outside_this_machine_and_a_token_is_asked_for(ray_hosts):
    """All processes of the session, actors among them: Ray's own sockets and those of swarmsim."""
    import psutil

    us, listening = psutil.Process(), []
    for process in (us, *us.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):  # some end by themselves meanwhile
            listening += [(process.name(), socket.laddr.ip) for socket in process.net_connections() if _listens(socket)]
    assert {"raylet", "gcs_server"} <= {name for name, _ in listening}
    assert {ip.removeprefix("::ffff:") for _, ip in listening} == {"127.0.0.1"}
    assert os.environ["RAY_AUTH_MODE"] == "token"
    assert len(os.environ["RAY_AUTH_TOKEN"]) == 64


def _listens(socket) -> bool:
    """For connections, or for anybody's packets."""
    return socket.status == "LISTEN" or (socket.type == SOCK_DGRAM and not socket.raddr)


@pytest.mark.ray
def test_sockets_between_hosts_listen_on_this_machine_alone(ray_hosts):
    ray_hosts.start(small_job("baseline/local", {}, hosts=3))
    assert [place.address[0] for place in ray_hosts._calls.places] == ["127.0.0.1"] * RAY_HOSTS


# ----------------------------------------------------------------------------------------------- old sessions


def test_session_folders_of_dead_processes_are_removed_and_others_stay(tmp_path):
    from swarmsim.runtime.ray_session import OWNER, PREFIX

    for name in ("dead", "alive"):
        (tmp_path / f"{PREFIX}{name}" / "session").mkdir(parents=True)
        (tmp_path / f"{PREFIX}{name}" / OWNER).touch()
    (tmp_path / f"{PREFIX}of-somebody").mkdir()
    (tmp_path / f"{PREFIX}crash-7.txt").touch()
    hold = "import sys; from swarmsim.runtime.ray_session import _locked; from pathlib import Path; \
handle = _locked(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    with python(hold, str(tmp_path / f"{PREFIX}alive" / OWNER), stdin=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == "held\n"
        assert sweep(tmp_path) == [tmp_path / f"{PREFIX}dead"]
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {f"{PREFIX}alive", f"{PREFIX}of-somebody", f"{PREFIX}crash-7.txt"}
        holder.kill()
    assert sweep(tmp_path) == [tmp_path / f"{PREFIX}alive"]


DRIVER = """
import sys
from swarmsim.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.ray
def test_a_killed_run_leaves_no_process_and_its_folder_can_be_read_and_resumed(tmp_path):
    import psutil

    file = experiment(tmp_path, "swarm/dpsgd", {}, rounds=3000, evaluate={"every": 1000}, checkpoint={"every": 5})
    sessions = Path(tempfile.mkdtemp())  # its sockets want a short path
    options = ["--runtime", "ray", "--set", f"runtime.temp_dir={sessions}"]
    with python(DRIVER, "run", str(file), "--out", str(tmp_path / "killed"), *options) as driver:
        checkpoints, until = tmp_path / "killed/checkpoints", time.monotonic() + 120
        while not (checkpoints.is_dir() and any(checkpoints.iterdir())):
            assert driver.poll() is None, driver.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.05)
        family = psutil.Process(driver.pid).children(recursive=True)
        driver.kill()
        said = driver.communicate()[1]
    assert len(family) > 3
    assert "swarmsim ended without a word" in said
    _, alive = psutil.wait_procs(family, timeout=30)
    assert not alive
    assert json.loads((tmp_path / "killed/manifest.json").read_text())["status"] == "running"
    assert [path.name.startswith("swarmsim-") for path in sessions.iterdir()] == [True]
    assert len(sweep(sessions)) == 1
    sessions.rmdir()
    _resumes(file, tmp_path)


def _resumes(file: Path, folder: Path) -> None:
    """The killed run, resumed, is the run that was never killed; here both have few rounds left."""
    from swarmsim.log.checkpoint import load_latest

    done = load_latest(folder / "killed/checkpoints").round
    for text in (folder / "killed/experiment.yaml", file):
        text.write_text(_shorter(text.read_text(), done + 2))
    assert main(["resume", str(folder / "killed")]) == 0
    assert main(["run", str(file), "--out", str(folder / "calm")]) == 0
    for name in SAME:
        assert (folder / "killed" / name).read_bytes() == (folder / "calm" / name).read_bytes()


def _shorter(text: str, rounds: int) -> str:
    """An experiment with fewer rounds, and inline."""
    import yaml

    read = yaml.safe_load(text)
    return yaml.safe_dump(read | {"rounds": rounds, "runtime": {"use": "inline", "dtype": "float64"}})


# ------------------------------------------------------------------------------------------ starts that fail


FAILS = """
import sys
from types import SimpleNamespace
from pathlib import Path
from swarmsim.runtime import ray_session

def init(_temp_dir, **options):
    logs = Path(_temp_dir, "session_1", "logs")
    logs.mkdir(parents=True)
    (logs / "raylet.err").write_text("fine\\nno room for a store\\n")
    raise RuntimeError("The current node timed out.\\nand more")

try:
    ray_session._start(SimpleNamespace(init=init), sys.argv[1], 1)
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_start_that_fails_names_the_cause_and_cleans_up(tmp_path):
    with python(FAILS, str(tmp_path)) as child:
        out, err = child.communicate()
    expected = (
        "SwarmsimError Ray could not be started: RuntimeError: The current node timed out (raylet.err: no room for"
    )
    assert out.startswith(expected)
    assert "`--runtime inline` needs no Ray" in out
    assert not err
    assert not any(tmp_path.iterdir())


ENDS = """
import os, sys
from types import SimpleNamespace
from swarmsim.runtime import ray_session
ray_session._start(SimpleNamespace(init=lambda **options: os._exit(1)), sys.argv[1], 1)
"""


def test_a_process_that_ray_ends_from_within_has_a_last_word(tmp_path):
    with python(ENDS, str(tmp_path)) as child:
        err = child.communicate()[1]
    assert child.returncode == 1
    assert err.startswith("swarmsim ended without a word: ")
    assert f"Ray's logs are in {tmp_path}/swarmsim-" in err


def test_a_folder_for_sessions_that_does_not_exist_is_named(tmp_path):
    from swarmsim.runtime.ray_session import _start

    with pytest.raises(InputError, match=r"runtime.temp_dir: no folder can be made in .*/nowhere \(No such file"):
        _start(None, str(tmp_path / "nowhere"), 1)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:none", "no.such.host.invalid:6379"])
def test_an_address_where_nobody_answers_is_refused_soon(address):
    from swarmsim.runtime.ray_session import _join

    began = time.monotonic()
    with pytest.raises(InputError, match=f"runtime.address {address}: no Ray cluster answers there"):
        _join(None, address)
    assert time.monotonic() - began < 15


def test_a_cluster_that_refuses_us_is_named():
    from types import SimpleNamespace

    from swarmsim.runtime.ray_session import _join

    def init(**options):
        raise RuntimeError("Version mismatch: Python 3.9")

    with pytest.raises(InputError, match=r"the cluster cannot be joined: RuntimeError: Version mismatch: Python 3\.9"):
        _join(SimpleNamespace(init=init), "auto")


def test_interrupting_says_nothing_of_being_killed(tmp_path):
    """Ctrl-C goes to all processes of a terminal, so to the one that has the last word too."""
    code = ENDS.replace("os._exit(1)", "(print('up', flush=True), sys.stdin.read())")
    with python(code, str(tmp_path), stdin=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout.readline() == "up\n"
        os.killpg(child.pid, signal.SIGINT)
        err = child.communicate()[1]
    assert "KeyboardInterrupt" in err
    assert "without a word" not in err
    assert not any(tmp_path.iterdir())
