"""No label leaves its institution where the method says so (trap 18): every tensor that crosses is seen."""

from __future__ import annotations

import pytest
import torch

from swarmsim.trees import flatten
from tests.methods import small_job
from tests.threads import ThreadHosts, _Box

AT_HOME = [
    ("split/u_shaped", {"cut": (1, 2)}),
    ("split/u_shaped", {"cut": (1, 2), "institution_weights": "handed_over_via_server", "clip": 0.5}),
    ("split/multi_task", {"cut": (1, 2), "institution_weights": "averaged_each_epoch", "in_flight": 2}),
    ("split/multi_task", {"cut": (1, 2), "institution_weights": "averaged_each_batch", "serving": "concatenated"}),
    ("split/regional", {"cut": (1, 2), "regions": 2}),
    ("split/vertical", {"labels": "institution", "cut": "output"}),
]
AWAY = [("split/vanilla", {"cut": 1}), ("split/vertical", {}), ("split/auxiliary", {"cut": 1})]


@pytest.fixture
def sent(monkeypatch):
    """(receiver, tensor) of everything that crosses between two hosts."""
    seen, honest = [], _Box.send

    def watched(box, host, tree):
        seen.extend((host, tensor.detach().clone()) for tensor in flatten(tree)[1])
        honest(box, host, tree)

    monkeypatch.setattr(_Box, "send", watched)
    return seen


def labels_among(sent: list, work) -> list[int]:
    """Receivers of a tensor of whole numbers that has an entry an example; counters of BatchNorm are fewer."""
    sizes = {work.algorithm.batch, *(size % work.algorithm.batch for size in work.sizes)} - {0}
    return [
        host for host, tensor in sent if not tensor.is_floating_point() and tensor.dim() == 1 and len(tensor) in sizes
    ]


def trained(name: str, arguments: dict):
    work = small_job(name, arguments, hosts=3, rounds=2)
    ThreadHosts(work, 4).advance(0, 2)
    return work


@pytest.mark.parametrize(("name", "arguments"), AT_HOME)
def test_no_label_reaches_anybody(sent, name, arguments):
    work = trained(name, arguments)
    assert len(sent) > 20
    assert not labels_among(sent, work)
    values = {tensor.dtype for _, tensor in sent}
    assert values <= {torch.float64, torch.int64}  # int64: how many batches a BatchNorm has counted, on its way


@pytest.mark.parametrize(("name", "arguments"), AWAY)
def test_labels_that_are_sent_are_seen_and_reach_the_server_alone(sent, name, arguments):
    work = trained(name, arguments)
    assert set(labels_among(sent, work)) == {3}
