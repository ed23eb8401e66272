"""Ray's cluster: one is started on this machine, on the loopback interface alone, or one that runs is joined."""

from __future__ import annotations

import atexit
import fcntl
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from swarmsim.types import InputError, SwarmsimError

__all__ = ["connect", "disconnect", "sweep"]

PREFIX = "swarmsim-"
OWNER = "owner.lock"  # locked by the process whose session a folder is, for as long as it lives
REACH = 5.0  # seconds in which a cluster answers
QUIET = {"logging_level": "error", "log_to_driver": False, "configure_logging": True}
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "20",  # Ray's server is gone: how long its processes wait for it
}
ALONE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # no cluster, so that Ray keeps to 127.0.0.1 on every system


LAST_WORD = r"""
trap "" INT TERM
read -r said && exit
sleep 0.2
for held in /proc/[0-9]*/fd; do
    ls -l "$held" 2>/dev/null | grep -q -F "$1/" || continue
    tr '\0' ' ' <"${held%fd}cmdline" 2>/dev/null | grep -q -e '^ray::' -e '/ray/' || continue
    kill -9 "$(basename "${held%/fd}")"
done
printf '%s\n' "$0" >&2
"""
"""If standard input ends without a line: kill Ray's processes that have files of our session open (two of them would
live on for minutes, and one that was stopped for ever), then say so."""


class _Session(NamedTuple):
    """A cluster that was started here: its folder, the open lock of it, and the process that has the last word."""

    folder: Path
    lock: int
    witness: subprocess.Popen


_session: _Session | None = None


def connect(address: str | None = None, temp_dir: str | None = None, workers: int = 1) -> None:
    """Join the cluster at `address`, or start one on this machine, with a fresh token.

    Ray starts a worker process for each CPU it is told of, before anybody asks: as many as there will be actors.
    """
    os.environ |= ENVIRONMENT
    if not address:
        os.environ |= ALONE | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    import ray

    if ray.is_initialized():
        return
    if address:
        _join(ray, address)
    else:
        _start(ray, temp_dir or tempfile.gettempdir(), workers)


def disconnect() -> None:
    """Leave the cluster; one that was started here ends with it, and its session folder goes."""
    global _session
    import ray

    ray.shutdown()
    if _session:
        _session.witness.communicate(b"all is well\n")
        shutil.rmtree(_session.folder, ignore_errors=True)
        os.close(_session.lock)
        _session = None


def sweep(parent: Path) -> list[Path]:
    """Remove session folders whose process is dead, killed before it could clean up; returns those."""
    dead = []
    for lock in parent.glob(f"{PREFIX}*/{OWNER}"):
        with suppress(OSError):  # somebody holds it, or it is not ours
            handle = _locked(lock)
            shutil.rmtree(lock.parent, ignore_errors=True)
            os.close(handle)
            dead.append(lock.parent)
    return dead


def _locked(path: Path) -> int:
    """A file, locked until it is closed or this process ends; OSError where another process has it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle


def _start(ray: Any, temp_dir: str, workers: int) -> None:
    global _session
    sweep(Path(temp_dir))
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temp_dir))
    except OSError as error:
        raise InputError(f"runtime.temp_dir: no folder can be made in {temp_dir} ({error.strerror})") from None
    lock = _locked(folder / "owner.new")
    os.write(lock, f"{os.getpid()}\n".encode())
    os.rename(folder / "owner.new", folder / OWNER)  # where others look, it is locked from the first moment
    _session = _Session(folder, lock, _witness(folder))
    atexit.register(disconnect)
    try:
        ray.init(
            address="local",
            num_cpus=max(workers, os.cpu_count() or 1),
            include_dashboard=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(folder),
            **QUIET,
        )
    except Exception as error:
        words = _last_words(folder)
        disconnect()
        raise SwarmsimError(
            f"Ray could not be started: {_line(error)}{words}. Its session files were in {folder} (runtime.temp_dir); "
            "`--runtime inline` needs no Ray"
        ) from error


def _join(ray: Any, address: str) -> None:
    """Join a cluster that runs; Ray itself would wait for a minute for one that does not, and then end this process."""
    atexit.register(disconnect)
    host, _, port = address.rpartition(":")
    if host and "/" not in address:
        try:
            socket.create_connection((host.strip("[]"), int(port)), REACH).close()
        except (OSError, ValueError) as error:
            raise InputError(
                f"runtime.address {address}: no Ray cluster answers there ({error}); start one with "
                "`ray start --head --port 6379`, which prints its address"
            ) from None
    try:
        ray.init(address=address, **QUIET)
    except Exception as error:
        raise InputError(
            f"runtime.address {address}: the cluster cannot be joined: {_line(error)}. Python, Ray and swarmsim must "
            "have the same versions on every machine, and RAY_AUTH_MODE and RAY_AUTH_TOKEN the same values"
        ) from error


def _witness(folder: Path) -> subprocess.Popen:
    """A shell that acts if this process ends without a word: Ray ends it from within when its own server dies."""
    message = (
        "swarmsim ended without a word: it was killed, or Ray ended it because Ray's server died; Ray's logs are in "
        f"{folder}/session_latest/logs. `swarmsim resume DIR` goes on from the last checkpoint."
    )
    return subprocess.Popen(["/bin/sh", "-c", LAST_WORD, message, str(folder)], stdin=subprocess.PIPE)


def _last_words(folder: Path) -> str:
    """The last line that one of Ray's processes wrote to its errors, in parentheses."""
    for file in sorted(folder.glob("session_*/logs/*.err")):
        if lines := file.read_text(errors="replace").split("\n\n")[-1].strip().splitlines():
            return f" ({file.name}: {lines[-1]})"
    return ""


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".strip().splitlines()[0].rstrip(".")
