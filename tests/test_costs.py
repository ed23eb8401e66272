"""What `check` says of the first round, beside what the round then does; in the records of a run, and as a table."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from swarmsim.check import render
from swarmsim.cli import main
from swarmsim.cost_table import cost_table, in_bytes
from swarmsim.log.scalars import clocked
from swarmsim.runtime.costs import per_round
from swarmsim.runtime.driver import Inline
from tests.log.clocks import a_clock
from tests.methods import VARIANTS, small_job

CASES = [(name, arguments) for name, variants in VARIANTS.items() for arguments in variants]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_a_rehearsal_sends_what_the_first_round_sends(name, arguments, dropout):
    work = small_job(name, arguments, model={"dropout": dropout}, rounds=1)
    with Inline() as runtime:
        runtime.start(work)
        (done,) = runtime.advance(0, 1)
    found = per_round(work)
    ends: Counter = Counter()
    for line in done.traffic:
        ends["sent", line.src, line.kind] += line.bytes
        ends["received", line.dst, line.kind] += line.bytes
        ends["messages", line.src] += line.messages
    for who, each in found["participants"].items():
        for way in ("sent", "received"):
            assert each[way] == {kind: size for (w, name, *rest), size in ends.items() if (w, name) == (way, who)
                                 for kind in rest}  # fmt: skip
        assert each["messages"] == ends["messages", who]
    assert found["messages"] == sum(line.messages for line in done.traffic)
    assert found["bytes"] == sum(line.bytes for line in done.traffic) == sum(found["bytes_by_kind"].values())


@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_somebody_computes_and_everybody_holds_something(name, arguments):
    found = per_round(small_job(name, arguments))["participants"].values()
    assert sum(each["flops"] for each in found) > 0
    assert all(each["memory"]["rows"] + each["memory"]["examples"] > 0 for each in found)
    assert all((each["flops"] > 0) == (each["memory"]["activations"] > 0) for each in found)


@pytest.mark.parametrize("packed", [False, True])
def test_packing_changes_no_cost(packed):
    work = small_job("swarm/dpsgd", {}, packed=packed)
    assert per_round(work) == per_round(small_job("swarm/dpsgd", {}))


def test_the_run_says_what_it_computed(tmp_path):
    out = tmp_path / "out"
    changes = ["--set", "rounds=3", "--seed", "1"]
    assert main(["run", "experiments/hospital_network.yaml", "--out", str(out), *changes]) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert set(summary["compute"]) == set(next(iter(_per_institution(summary).values())))
    assert summary["flops"] == 3 * sum(summary["compute"].values()) > 0
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    name, flops = next(iter(summary["compute"].items()))
    for folder, each in ((out, sum(summary["compute"].values())), (out / name, flops)):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        curve = [(event.step, event.value) for event in events.Scalars("compute/flops")]
        assert curve == [(t, pytest.approx(t * each)) for t in range(4)]


def _per_institution(summary: dict) -> dict:
    return {metric: found["per_institution"] for metric, found in summary["scores"]["local"]["test"].items()}


def test_flops_add_up_over_rounds():
    account = a_clock(rounds=3)
    for t, factor in enumerate((0, 1, 2, 3)):
        account.until(t)
        found = clocked(account, ["A", "B"])
        flops = {run: tags["compute/flops"] for run, tags in found.items()}
        assert flops == {"A": 5.0 * factor, "B": 7.0 * factor, "": 12.0 * factor}
    assert account.totals == [0, 12, 24, 36]


# --------------------------------------------------------------------------------------------------- the table


def participant(flops=0, rows=0, examples=0, activations=0, messages=0, **sent):
    memory = {"rows": rows, "examples": examples, "activations": activations}
    return {"flops": flops, "memory": memory, "sent": sent, "received": {}, "messages": messages}


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_the_table_has_a_line_for_each_of_a_few():
    title, head, *lines = cost_table({
        "va": participant(1_234_567, 3000, 20, 999, 12, weights=5_000_000, labels=8), "server": participant(rows=1000),
    })  # fmt: skip
    assert "sends" in title
    assert cells(head) == ["participant", "FLOPs", "rows", "examples", "activations", "messages", "labels", "weights"]
    assert [cells(line) for line in lines] == [
        ["va", "1.2 M", "3.0 kB", "20 B", "999 B", "12", "8 B", "5.0 MB"],
        ["server", "0", "1.0 kB", "0 B", "0 B", "0", "0 B", "0 B"],
    ]
    assert len({len(line) for line in (head, *lines)}) == 1


def test_the_table_of_many_has_their_ends_and_the_extreme_ones():
    many = {f"i-{k:03}": participant(flops=k, rows=10, messages=2, weights=10 * k) for k in range(1000)}
    many["i-007"] = participant(flops=7, rows=900, messages=2)
    many["i-009"] = participant(flops=9, rows=10, messages=2, weights=50_000)
    lines = [cells(line) for line in cost_table(many)[2:]]
    assert [line[0] for line in lines] == ["least of 1,000", "median", "most", "i-999", "i-007", "i-009"]
    assert [line[1] for line in lines] == ["0", "500", "999", "999", "7", "9"]
    assert [line[2] for line in lines] == ["10 B", "10 B", "900 B", "10 B", "900 B", "10 B"]
    assert [line[6] for line in lines] == ["0 B", "5.0 kB", "50.0 kB", "10.0 kB", "0 B", "50.0 kB"]


def test_the_table_of_thirteen_is_shorter_than_that_of_twelve():
    def lines(n):
        return len(cost_table({str(k): participant(flops=k) for k in range(n)}))

    assert (lines(12), lines(13)) == (2 + 12, 2 + 3 + 2)  # the one who computes most; the first of equals


@pytest.mark.parametrize(
    ("size", "words"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2.5e6, "2.5 MB"), (1e13, "10,000.0 GB")]
)
def test_bytes_in_words(size, words):
    assert in_bytes(size) == words


def test_check_says_it_in_json_and_in_words(capsys):
    assert main(["check", "experiments/quickstart.yaml", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    split = next(each for each in report["methods"] if each["label"] == "split-u_shaped")["per_round"]
    assert set(split) == {"messages", "bytes", "bytes_by_kind", "participants"}
    assert list(split["participants"]) == [each["name"] for each in report["institutions"]] + ["server"]
    assert split["participants"]["server"]["received"]["smashed_data"] == sum(
        each["sent"]["smashed_data"] for name, each in split["participants"].items() if name != "server"
    )
    said = render(report)
    assert said.count("what the first round costs") == len(report["methods"])
    assert "\n  server " in said
    assert not [line for line in said.splitlines() if line != line.rstrip()]


@pytest.mark.slow
def test_a_thousand_packed_institutions_are_rehearsed_in_seconds(capsys):
    assert main(["check", "experiments/packed_1000.yaml"]) == 0
    assert "least of 1,000" in capsys.readouterr().out
