"""Every error says where, what was given, what is allowed and the nearest guess; no file makes anything else."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swarmsim.experiment import Study, read
from swarmsim.types import InputError
from tests.experiment.files import FIXED_POINT, METHODS, refusal, wrote

LINE = "algorithm: {use: swarm/dpsgd, lr: 0.1, local_steps: 1, order: adapt_then_combine}"


def test_an_error_is_drawn(tmp_path):
    message = refusal(wrote(tmp_path, FIXED_POINT, ("local_steps", "local_step")))
    head, line, pointer = message.splitlines()
    assert head == "file.yaml:9:40: algorithm.local_step: unknown key"
    assert line == f"    9 | {LINE.replace('local_steps', 'local_step')}"
    assert line[pointer.index("^") :].startswith("local_step")
    assert "did you mean `local_steps`? allowed: batch, batch_norm, clip, gradient_weights, " in pointer


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("lr: 0.1", "lr: -1", "file.yaml:9:35: algorithm.lr: must be a number > 0, got -1"),
        ("lr: 0.1", "lr: '0.1'", 'must be a number > 0, got "0.1"'),
        ("lr: 0.1", "lr: .nan", "must be a number > 0, got nan"),
        ("lr: 0.1", "lr: .inf", "must be a number > 0, got inf"),
        ("lr: 0.1, ", "", "file.yaml:9:1: algorithm.lr: missing: a number > 0 (learning rate)"),
        ("local_steps: 1", "local_steps: true", "must be an integer >= 1 or null, got true"),
        ("local_steps: 1", "local_steps: 1.5", "must be an integer >= 1 or null, got 1.5"),
        ("local_steps: 1", "local_steps: 1.0", "must be an integer >= 1 or null, got 1.0"),
        ("local_steps: 1", "local_steps: [1]", "must be an integer >= 1 or null, got [1]"),
        ("adapt_then_combine", "adapt_then_combin", "^ did you mean `adapt_then_combine`?"),
        ("local_steps: 1", "local_steps: 1, local_epochs: 1", "algorithm: local_steps and local_epochs exclude"),
        ("local_steps: 1", "lr_schedule: {use: stp}", "algorithm.lr_schedule.use: must be one of constant, step"),
        ("local_steps: 1", "lr_schedule: {evry: 3}", "algorithm.lr_schedule.evry: unknown key"),
        ("local_steps: 1", "lr_schedule: 3", "algorithm.lr_schedule: must be a section {use, every, factor, floor}"),
        ("swarm/dpsgd", "dpsgd", "did you mean `swarm/dpsgd`?"),
        ("swarm/dpsgd", "swarm/dpgsd", 'file.yaml:9:18: algorithm.use: unknown name "swarm/dpgsd"'),
        ("use: swarm/dpsgd, ", "", "algorithm.use: missing"),
        ("use: swarm/dpsgd", "use: 3", "algorithm.use: must be a name, got 3"),
        ("{use: ring}", "ring", "topology: must be a section such as {use: ring}"),
        ("{use: ring}", "[ring]", "topology: must be a section"),
        ("[0, 1, 2", "[0, x, 2", "data.targets.1: must be a number or a list of float"),
        ("[0, 1, 2", "[0, [1, x], 2", "data.targets.1.1: must be a number, got"),
        ("rounds: 1000", "rounds: 0", "file.yaml:3:9: rounds: must be an integer >= 1"),
        ("rounds: 1000\n", "", "file.yaml: rounds: missing"),
        ("institutions: 8", "institutions: 100001", "must be an integer >= 1 and <= 100000 or null"),
        ("name: fixed-point", "name: ../up", "file.yaml:1:7: name: must be a text"),
        ("seed: 1", "seed: -1", "file.yaml:2:7: seed: must be an integer >= 0"),
        ("seed: 1", "seed: {dta: 1}", "seed.dta: unknown key"),
        ("seed: 1", "seed: {data: x}", "seed.data: must be an integer >= 0"),
        ("evaluate", "evaluat", "did you mean `evaluate`?"),
        ("evaluate:  {every: 500}", "networks: {use: x}", "networks: unknown key"),
        ("{every: 500}", "{every: 0}", "evaluate.every: must be an integer >= 1, got 0"),
        ("use: inline", "use: inline, hosts: 2", "runtime: hosts: only for `use: ray`"),
        ("use: inline", "use: ray, hosts: 2, institutions_per_host: 2", "exclude each other"),
        ("use: inline", "use: inlin", "runtime.use: must be one of inline, packed, ray"),
        ("model:     {use: point}", "model: null", "model: missing: a section"),
        (LINE, "", "algorithm: missing: a section `algorithm` or a list of `methods`"),
        (LINE, "methods: []", "file.yaml:9:10: methods: must be a list of methods, got []"),
        (LINE, f"methods: [{'{}, ' * 200}{{}}]", "methods: 201 methods are more than the 200"),
        (LINE, "methods: [3]", "methods.0: must be a section"),
        (LINE, "methods: {a: 1}", "methods: must be a list of methods"),
    ],
)
def test_refused(tmp_path, old, new, says):
    assert says in refusal(wrote(tmp_path, FIXED_POINT, (old, new)))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("rounds: 5", "seed: 5", "file.yaml:10:5: methods.1.seed: belongs to the whole file"),
        ("rounds: 5", "data: {use: quadratic}", "methods.1.data: belongs to the whole file"),
        ("rounds: 5", "rnds: 5", "methods.1.rnds: unknown key"),
        ("rounds: 5", "rounds: x", "file.yaml:10:13: methods.1.rounds: must be an integer"),
        ("lr: 0.3", "lr: 0", "file.yaml:14:39: methods.3.algorithm.lr: must be a number > 0, got 0"),
        ("label: fast", "label: a/b", "methods.2.label: must be a text"),
        ("rounds: 5", "label: Fast", "file.yaml:13:12: methods.2.label: \"fast\" is the label of two methods"),
        ("[0, 1]", "[a]", "file.yaml:3:35: data.targets.0: must be"),
    ],
)  # fmt: skip
def test_refused_methods(tmp_path, old, new, says):
    message = refusal(wrote(tmp_path, METHODS, (old, new)))
    assert says in message
    assert message.count("file.yaml:") == 1


def test_all_errors_of_a_file_at_once_but_not_too_many(tmp_path):
    message = refusal(
        wrote(tmp_path, FIXED_POINT, ("lr: 0.1", "lr: 0"), ("ring", "rin"), ("rounds: 1000", "rounds: x"))
    )
    assert [line.split(":")[1] for line in message.splitlines() if line.startswith("file")] == ["3", "8", "9"]
    many = "".join(f"key{k}: 1\n" for k in range(4000))
    assert refusal(wrote(tmp_path, FIXED_POINT + many)).endswith("... and more")


def test_files_that_are_not_experiment_files(tmp_path):
    wrote(tmp_path, FIXED_POINT, name="ring.yaml")
    assert "ring.yml: no such file; did you mean" in refusal(tmp_path / "ring.yml")
    assert "there is no folder" in refusal(tmp_path / "no" / "ring.yaml")
    assert "is a folder" in refusal(tmp_path)
    assert "is empty" in refusal(wrote(tmp_path, ""))
    assert "file.yaml:1:1: an experiment file holds keys" in refusal(wrote(tmp_path, "- a\n"))
    (tmp_path / "latin.yaml").write_bytes(b"name: x\nlabel: \xe9\n")
    assert "latin.yaml:2:8: not UTF-8 text" in refusal(tmp_path / "latin.yaml")
    (tmp_path / "large.yaml").write_bytes(b"#" * 1_000_001)
    assert "larger than 1000000 bytes" in refusal(tmp_path / "large.yaml")
    os.mkfifo(tmp_path / "pipe.yaml")
    assert "not a regular file" in refusal(tmp_path / "pipe.yaml")


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    (tmp_path / "windows.yaml").write_bytes(b"\xef\xbb\xbf" + FIXED_POINT.replace("\n", "\r\n").encode())
    assert read(tmp_path / "windows.yaml").methods[0].origins["rounds"].endswith("windows.yaml:3")


PIECES = st.sampled_from(
    ["", " ", "\n", ":", "- ", "{", "}", "[", "]", "'", '"', "&a ", "*a", "!t ", "null", "true", "1e3", "-1", "0x",
     "\t", "use", "use: ", "lr", "methods:\n - ", "extends: ", "seed", "#", "|", ">", "?", "%", "@", "é", "\x00",
     ".nan", "<<: ", "{use: ring}", "ring", "label: ", "algorithm: ", "\ud7ff", "9" * 30, "---\n", ",", "data: "]
)  # fmt: skip


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_spoiled_file_is_read_or_refused(tmp_path, data):
    text = data.draw(st.sampled_from([FIXED_POINT, METHODS]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(PIECES) + text[start + data.draw(st.integers(0, 12)) :]
    (tmp_path / "fuzz.yaml").write_text(text, encoding="utf-8")
    try:
        assert isinstance(read(tmp_path / "fuzz.yaml"), Study)
    except InputError as error:
        assert str(error)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(["algorithm", "use", "lr", "methods", "0", "data", "targets", "seed", "x"]), max_size=4),
    PIECES,
)
def test_any_override_is_taken_or_refused(tmp_path, path, value):
    try:
        read(wrote(tmp_path, METHODS), [f"{'.'.join(path)}={value}"])
    except InputError as error:
        assert str(error)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_any_bytes_are_refused(tmp_path, content):
    (tmp_path / "bytes.yaml").write_bytes(content)
    with pytest.raises(InputError):
        read(tmp_path / "bytes.yaml")
