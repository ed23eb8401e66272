"""What is printed without a terminal, and with one."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from swarmsim.log.console import Progress, result_table
from swarmsim.log.run_folder import RunFolder
from tests.log.reports import reports


def console(terminal):
    return Console(file=StringIO(), force_terminal=terminal, width=100)


def progress(rounds, terminal):
    to = console(terminal)
    with Progress(rounds, "swarm/dpsgd[x]", to) as bar:
        for each in reports(rounds):
            bar.update(each)
    return to.file.getvalue()


def test_without_a_terminal_progress_is_a_few_plain_lines():
    printed = progress(200, terminal=False).splitlines()
    assert printed[0] == "swarm/dpsgd[x]: round 0/200  mean auroc 0.600"
    assert printed[-1] == "swarm/dpsgd[x]: round 200/200  mean auroc 2.600"
    assert len(printed) == 11


def test_on_a_terminal_progress_is_a_bar():
    assert "mean auroc" in progress(3, terminal=True)


def test_result_table(tmp_path):
    folder = RunFolder.create(tmp_path / "a", "", {})
    for each in reports(3):
        folder.record(each)
    summary = folder.finish("completed")
    for terminal in (False, True):
        to = console(terminal)
        result_table({"swarm/dpsgd": summary, "no evaluation": {**summary, "scores": {}}}, to)
        printed = to.file.getvalue()
        assert "mean auroc" in printed
        assert ["swarm/dpsgd", "local", "0.630", "0.530", "9.0", "kB", "3.0", "s"] in [
            line.split() for line in printed.splitlines()
        ]
