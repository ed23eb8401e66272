"""TensorBoard's event files, read back with TensorBoard."""

from __future__ import annotations

import math
import re
from dataclasses import replace

import networkx
import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from swarmsim.log import links
from swarmsim.log.hparams import write_hparams_experiment
from swarmsim.log.layout import layout
from swarmsim.log.scalars import TAGS, sample, scalars
from swarmsim.log.tensorboard import Board, Setup, folder_names
from swarmsim.types import Merge, Report, Score, Traffic
from tests.log.clocks import a_clock
from tests.log.reports import NAMES, report, reports

SPLITS = "train|validation|test|pooled|external"
PATTERNS = [re.escape(tag).replace("<metric>", r"\w+").replace("<kind>", r"\w+").replace("<split>", f"({SPLITS})")
            for tag in TAGS]  # fmt: skip


def setup(names=NAMES):
    counts = np.arange(2 * len(names)).reshape(-1, 2)
    hparams = {"seed": 0, "algorithm": {"use": "swarm/dpsgd", "lr": 0.1}, "cut": [1, 2]}
    graph = networkx.cycle_graph(len(names))
    return Setup(tuple(names), ("healthy", "ill"), counts, graph, "name: made-up\n", hparams)


def write(path, names=NAMES, rounds=4):
    with Board(path, setup(names)) as board:
        for each in reports(rounds, names):
            board.record(each)
        board.finish("completed")


def read(path):
    events = EventAccumulator(str(path), size_guidance={"scalars": 0, "images": 0})
    events.Reload()
    return events


def curve(path, tag):
    return [(event.step, event.value) for event in read(path).Scalars(tag)]


def documented(tag):
    return any(re.fullmatch(pattern, tag) for pattern in PATTERNS)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    path = tmp_path_factory.mktemp("board")
    write(path)
    return path


def test_institutions_and_the_swarm_write_the_same_tag(run):
    for i, name in enumerate(NAMES):
        assert np.allclose(curve(run / name, "test/auroc"), [(t, 0.5 + 0.1 * i + 0.01 * t) for t in range(5)])
    assert np.allclose(curve(run, "test/auroc"), [(t, 0.6 + 0.01 * t) for t in range(5)])


def test_swarm_network_and_time(run):
    assert curve(run, "swarm/worst_auroc")[-1] == pytest.approx((4, 0.54))
    assert curve(run, "swarm/best_auroc")[-1] == pytest.approx((4, 0.74))
    assert curve(run, "swarm/consensus_distance")[1] == pytest.approx((1, 0.05))
    assert curve(run, "merged/pooled_auroc")[0] == pytest.approx((0, 0.8))
    assert curve(run, "net/bytes_weights") == [(t, 3003) for t in range(1, 5)]
    assert curve(run, "net/messages")[0] == (1, 3)
    assert curve(run, "net/total_bytes") == [(t, 3003 * t) for t in range(5)]
    assert curve(run / "va", "net/total_bytes") == [(t, 1002 * t) for t in range(1, 5)]
    assert curve(run / "va", "net/bytes_weights")[0] == (1, 1002)
    assert curve(run, "time/wall_seconds") == [(t, 0.75 * (t + 1)) for t in range(5)]


def test_every_tag_is_documented(run):
    for path in (run, *(run / name for name in NAMES)):
        tags = read(path).Tags()
        texts = [tag.removesuffix("/text_summary") for tag in tags["tensors"] if not tag.startswith(("_", "custom_"))]
        written = tags["scalars"] + tags["images"] + texts
        assert written
        assert [tag for tag in written if not documented(tag)] == []


def test_figures_text_layout_and_session(run):
    events = read(run)
    assert events.Tags()["images"] == ["data/partition", "network/topology"]
    assert events.Images("network/topology")[0].encoded_image_string.startswith(b"\x89PNG")
    assert b"```yaml\nname: made-up\n```" in events.Tensors("experiment/text_summary")[0].tensor_proto.string_val[0]
    assert "custom_scalars__config__" in events.Tags()["tensors"]
    session = events.PluginTagToContent("hparams")
    assert session.keys() == {"_hparams_/session_start_info", "_hparams_/session_end_info"}


def test_resumed_has_no_duplicates_and_no_gaps(run, tmp_path):
    with Board(tmp_path, setup()) as first:
        for each in reports(3):
            first.record(each)
    sent = {name: 2 * (1000 + i) for i, name in enumerate(NAMES)}
    with Board(tmp_path, setup(), after=2, wall_seconds=3 * 0.75, sent=sent) as second:
        for t in (3, 4):
            second.record(report(t))
        second.finish("completed")
    for path in ("", *NAMES):
        tags = read(run / path).Tags()["scalars"]
        assert tags == read(tmp_path / path).Tags()["scalars"]
        for tag in tags:
            assert curve(run / path, tag) == curve(tmp_path / path, tag), tag
    assert read(tmp_path).Tags()["images"] == ["data/partition", "network/topology"]


def clocked_run(path, rounds=2, targets=""):
    """A board over the clock of A and B, which ends its rounds after 12.5 and 19.5 seconds."""
    account = a_clock(rounds)
    with Board(path, Setup(("A", "B"), account=account, rounds=rounds)) as board:
        for t in range(rounds + 1):
            account.until(t)
            scores = tuple(Score("test", name, "local", "auroc", 0.5 + 0.1 * t) for name in "AB")
            board.record(Report(t, scores, seconds=account.seconds))
        board.finish("completed", targets)
    return account


def test_points_stand_at_their_simulated_time(tmp_path):
    """On the axis RELATIVE curves are read over simulated time, whatever the tag and the run."""
    clocked_run(tmp_path)
    for folder, tag in ((tmp_path, "test/auroc"), (tmp_path / "A", "test/auroc"), (tmp_path, "time/simulated_seconds")):
        assert [event.wall_time for event in read(folder).Scalars(tag)] == [0.0, 12.5, 19.5]
    assert curve(tmp_path, "time/simulated_seconds") == [(0, 0.0), (1, 12.5), (2, 19.5)]
    assert curve(tmp_path, "time/round_seconds") == [(1, 12.5), (2, 7.0)]
    assert curve(tmp_path / "A", "compute/flops") == [(0, 0), (1, 5), (2, 10)]


def test_a_run_without_a_clock_keeps_the_time_at_which_points_were_written(run):
    assert all(event.wall_time > 1e9 for event in read(run).Scalars("test/auroc"))


def test_idle_time_of_each_and_of_all(tmp_path):
    """A computes 10 of 12.5 seconds, being ahead, and 10 of 19.5; B 7 of 12.5 and 14 of 19.5."""
    clocked_run(tmp_path)
    a, b = [1 - 10 / 12.5, 1 - 10 / 19.5], [1 - 7 / 12.5, 1 - 14 / 19.5]
    for folder, expected in ((tmp_path / "A", a), (tmp_path / "B", b), (tmp_path, np.mean([a, b], 0))):
        assert curve(folder, "time/idle") == [
            (t, pytest.approx(share, abs=1e-7)) for t, share in enumerate(expected, 1)
        ]


def test_timeline_and_targets_are_shown_and_documented(tmp_path):
    clocked_run(tmp_path, targets="| target |\n|---|\n| auroc 0.7 |")
    events = read(tmp_path)
    assert events.Images("time/timeline")[0].encoded_image_string.startswith(b"\x89PNG")
    assert b"auroc 0.7" in events.Tensors("targets/text_summary")[0].tensor_proto.string_val[0]
    tags = events.Tags()
    texts = [tag.removesuffix("/text_summary") for tag in tags["tensors"] if not tag.startswith(("_", "custom_"))]
    assert [tag for tag in tags["scalars"] + tags["images"] + texts if not documented(tag)] == []


def test_the_timeline_shows_three_rounds_at_most():
    from swarmsim.log.timeline_figure import timeline_figure

    account = a_clock(rounds=6)
    assert timeline_figure(account) is None
    account.until(6)
    (axes,) = timeline_figure(account).axes
    assert axes.get_xlim() == (0, account.clock.moments[2])
    said = [label.get_text() for label in axes.get_legend().get_texts()]
    assert said == ["computing", "waiting for a message", "sending", "receiving"]


def test_flush_leaves_everything_on_disk(tmp_path):
    board = Board(tmp_path, setup())
    for each in reports(2):
        board.record(each)
    board.flush()
    assert len(curve(tmp_path / "va", "test/loss")) == 3
    board.close()


def test_many_institutions_are_a_band_and_a_sample(tmp_path):
    names = [f"h{i:02d}" for i in range(41)]
    write(tmp_path, names, rounds=1)
    runs = sorted(path.name for path in tmp_path.iterdir() if path.is_dir())
    assert runs == sorted(sample(names))
    assert len(runs) == 10
    assert {"h00", "h40"} < set(runs)
    band = [curve(tmp_path, f"swarm/{name}_auroc")[0][1] for name in ("worst", "q1", "median", "q3", "best")]
    assert band == pytest.approx([0.5, 0.6, 0.7, 0.7, 0.8], abs=0.11)
    assert band == sorted(band)


def test_not_a_number_is_never_written():
    scores = (Score("test", "a", "local", "loss", math.nan), Score("test", "b", "local", "loss", 2.0),
              Score("test", "a", "local", "auroc", math.inf))  # fmt: skip
    runs = scalars(replace(report(0), scores=scores), many=False)
    assert runs["b"] == {"test/loss": 2.0}
    assert "a" not in runs
    assert runs[""]["swarm/worst_loss"] == 2.0


def test_an_unknown_model_has_no_tag():
    with pytest.raises(ValueError, match="'twin'"):
        scalars(replace(report(0), scores=(Score("test", "a", "twin", "loss", 1.0),)), many=False)


def test_institutions_stay_inside_the_run_folder():
    names = ["../evil", "/etc", "model", "Zürich 1", "a/b", "a:b", ".."]
    folders = list(folder_names(names).values())
    assert folders == ["___evil", "_etc", "model_2", "Zürich 1", "a_b", "a_b_2", "__"]


def test_the_layout_has_a_chart_for_what_is_measured_and_no_other():
    tags = scalars(report(0), many=False)[""]
    charts = layout(tags, many=False)
    assert list(charts) == ["Swarm", "Institutions", "Merged model", "Network"]
    assert list(charts["Merged model"]) == ["auroc of the merged model"]
    loss = charts["Swarm"]["loss over institutions"]
    assert loss == ["Margin", ["swarm/mean_loss", "swarm/best_loss", "swarm/worst_loss"]]  # the lower end first
    assert set(loss[1]) < set(tags)
    assert layout(["swarm/mean_auroc"], many=True)["Swarm"]["auroc over institutions"][1] == [
        "swarm/median_auroc", "swarm/q1_auroc", "swarm/q3_auroc",
    ]  # fmt: skip
    assert list(layout([], many=False)) == ["Network"]
    assert layout(["time/simulated_seconds"], many=False)["Clock"] == {
        "simulated seconds a round": ["Multiline", ["^time/round_seconds$"]],
        "idle share of the time": ["Multiline", ["^time/idle$"]],
    }


def test_hparams_experiment(tmp_path):
    runs = [
        {"algorithm": {"use": "split/vanilla", "lr": 0.1}, "cut": 1},
        {"algorithm": {"lr": 1}, "cut": "head", "x": None},
    ]
    write_hparams_experiment(tmp_path, runs, ["auroc"])
    assert read(tmp_path).PluginTagToContent("hparams").keys() == {"_hparams_/experiment"}


def test_links():
    assert links.command("runs/my run") == (
        "tensorboard --logdir 'runs/my run' --samples_per_plugin images=500,scalars=10000"
    )
    assert "pinnedCards=%5B%7B%22plugin%22%3A%22scalars%22%2C%22tag%22%3A%22test%2Fauroc%22%7D%5D" in links.deep_link(
        "auroc"
    )


def test_the_graph_is_drawn_five_times_in_a_long_run(tmp_path, monkeypatch):
    """Nodes by their last scores, edges by what crossed since the picture before; once in a short run, at its end."""
    from swarmsim.log import figures

    drawn = []
    honest = figures.topology_figure

    def watched(graph, names, values, metric, traffic):
        drawn.append(dict(traffic))
        return honest(graph, names, values, metric, traffic)

    monkeypatch.setattr(figures, "topology_figure", watched)
    for rounds, pictures in ((20, 5), (4, 1)):
        drawn.clear()
        given = Setup(("A", "B"), (), None, networkx.path_graph(2), rounds=rounds)
        with Board(tmp_path / str(rounds), given) as board:
            for k in range(1, rounds + 1):
                line = Traffic(k, "A", "B", "weights", 1, 8)
                board.record(Report(k, (Score("test", "A", "local", "auroc", 0.5),), (line,)))
            board.finish("completed")
        assert len(drawn) == pictures
        assert sum(each["A", "B"] for each in drawn) == 8 * rounds


def test_the_text_says_who_was_in_a_merge_and_who_was_not(tmp_path):
    merge = Merge(1, 0, "A", ("A", "C"), ("B",), "B: late")
    with Board(tmp_path, Setup(("A", "B", "C"))) as board:
        board.record(Report(1, merges=(merge,)))
        board.finish("completed")
    found = EventAccumulator(str(tmp_path), size_guidance={"tensors": 0}).Reload()
    (event,) = found.Tensors("merges/text_summary")
    assert b"| 1 | A | A, C | B | B: late |" in event.tensor_proto.string_val[0]
