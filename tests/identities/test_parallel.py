"""Split learning whose bottoms compute at once, against loops in plain torch that know nothing of messages."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from swarmsim.rng import seed_for, stream
from tests.jobs import blobs, job, run
from tests.loops import assert_rows, batches, flat, modules, taken
from tests.methods import method

PLAIN = {"momentum": 0.0, "weight_decay": 0.0, "batch": 16, "cut": 1}
SIZES = (37, 21, 48)  # ragged last batches of 5, 5 and 16, and a second institution that is done first


def trained(name: str, sizes=SIZES, rounds: int = 2, **arguments):
    shards = blobs(sizes)
    work = job(method(name, **{**PLAIN, **arguments}), shards, rounds=rounds)
    return work, shards, run(work)


def steps(work, shards, t: int):
    """(k, [(institution, x, y), ...]) of all k-th batches of a round, of those institutions that have one."""
    drawn = [batches(work, i, t) for i in range(len(shards))]
    for k in range(max(map(len, drawn))):
        who = [i for i, indices in enumerate(drawn) if k < len(indices)]
        yield k, [(i, *taken([shards[i]], [drawn[i][k]])) for i in who]


class Halves:
    """A bottom for every institution and one top, with torch's SGD on each."""

    def __init__(self, work, rate: float = 1.0) -> None:
        lr = work.algorithm.lr
        self.bottoms = [modules(work)[0] for _ in work.names]
        self.top = torch.nn.Sequential(*modules(work)[1:])
        self.own = [torch.optim.SGD(bottom.parameters(), lr) for bottom in self.bottoms]
        self.server = torch.optim.SGD(self.top.parameters(), lr * rate)

    def rows(self) -> list[torch.Tensor]:
        return [flat([bottom, self.top]) for bottom in self.bottoms]

    def step(self, batch: list, change=lambda gradients: gradients, own: bool = True) -> None:
        """One joint batch: the top on the mean loss over all, bottom i along its cut gradient, times N / n_i if own."""
        values = [self.bottoms[i](x) for i, x, _ in batch]
        cut = [z.detach().requires_grad_() for z in values]
        self.server.zero_grad()
        torch.nn.functional.cross_entropy(self.top(torch.cat(cut)), torch.cat([y for *_, y in batch])).backward()
        total = sum(len(z) for z in cut)
        for (i, *_), z, gradient in zip(batch, values, change([z.grad for z in cut]), strict=True):
            self.own[i].zero_grad()
            z.backward(gradient * (total / len(z) if own else 1.0))
            self.own[i].step()
        self.server.step()


@pytest.mark.parametrize("name", ["split/splitavg", "split/parallel", "split/sglr"])
@pytest.mark.parametrize("cut_gradient", ["joint", "own"])
def test_private_bottoms_and_a_joint_batch_are_this_loop(name, cut_gradient):
    """SplitAVG, parallel with private bottoms, and SGLR with nothing averaged: the top is SGD on the joint batch."""
    more = {"split/sglr": {"averaged_fraction": 0.0}, "split/parallel": {"institution_weights": "private"}}
    work, shards, done = trained(name, cut_gradient=cut_gradient, **more.get(name, {}))
    halves = Halves(work)
    for t in range(work.rounds):
        for _, batch in steps(work, shards, t):
            halves.step(batch, own=cut_gradient == "own")
    for row, expected in zip(done.params, halves.rows(), strict=True):
        assert_rows(row, expected)
    assert not np.allclose(done.params[0], done.params[1], rtol=0, atol=1e-4)


def test_the_top_of_splitavg_is_trained_on_the_joint_batch_as_one_model():
    """On the features that the loop's bottoms give: torch's own training of a top that sees nothing else."""
    work, shards, done = trained("split/splitavg", sizes=(24, 24, 24))
    top = torch.nn.Sequential(*modules(work)[1:])
    optimizer = torch.optim.SGD(top.parameters(), work.algorithm.lr)
    halves = Halves(work)
    for t in range(work.rounds):
        for _, batch in steps(work, shards, t):
            with torch.no_grad():
                z = torch.cat([halves.bottoms[i](x) for i, x, _ in batch])
            halves.step(batch, own=False)
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(top(z), torch.cat([y for *_, y in batch])).backward()
            optimizer.step()
    assert_rows(done.state["server_parts/0"]["top"]["weights"]["params"], flat([top]))


@pytest.mark.parametrize(("phi", "rate"), [(1.0, 1.0), (1.0, 3.0), (0.7, 2.0), (0.34, 1.0), (0.33, 1.0)])
def test_sglr_is_a_loop_in_which_the_drawn_get_the_mean_of_their_cut_gradients(phi, rate):
    """Example by example; of ragged batches, the b-th example is averaged over those that have one."""
    work, shards, done = trained("split/sglr", averaged_fraction=phi, server_rate=rate)
    halves = Halves(work, rate)
    for t in range(work.rounds):
        for k, batch in steps(work, shards, t):
            count = math.floor(phi * len(batch) + 1e-9)
            drawn = sorted(stream(work.seed, "sglr", t, k).permutation(len(batch))[:count].tolist())

            def averaged(gradients: list, drawn: list = drawn) -> list:
                mixed = [gradient.clone() for gradient in gradients]
                for place in drawn:
                    for b in range(len(gradients[place])):
                        sharing = [gradients[other][b] for other in drawn if b < len(gradients[other])]
                        mixed[place][b] = sum(sharing) / len(sharing)
                return mixed

            halves.step(batch, averaged)
    for row, expected in zip(done.params, halves.rows(), strict=True):
        assert_rows(row, expected)


def test_sglr_counts_whole_institutions_where_floats_fall_short():
    """.58 * 50 is 28.999999999999996 in floats; 29 institutions are meant."""
    pieces = [torch.full((1, 1), 2.0**i, dtype=torch.float64) for i in range(50)]
    route = SimpleNamespace(world=SimpleNamespace(learner=SimpleNamespace(seed=0)), t=0, k=0)
    sent = method("split/sglr", cut=1, averaged_fraction=0.58).cut_gradients(pieces, route)
    assert sum(not torch.equal(mine, mean) for mine, mean in zip(pieces, sent, strict=True)) == 29


def test_a_server_that_is_faster_only_moves_the_top_faster():
    """One step from the same start: the top moves server_rate times as far, the bottoms as before."""
    slow, fast = (
        trained("split/sglr", rounds=1, batch=None, local_steps=1, server_rate=rate)[2].state for rate in (1.0, 4.0)
    )
    start = trained("split/sglr", rounds=0)[2].state
    moved = [
        state["server_parts/0"]["top"]["weights"]["params"] - start["server_parts/0"]["top"]["weights"]["params"]
        for state in (slow, fast)
    ]
    assert_rows(moved[1], 4 * moved[0])
    assert torch.equal(
        slow["members/1"]["bottom"]["weights"]["params"], fast["members/1"]["bottom"]["weights"]["params"]
    )


# --------------------------------------------------------------------------------------- a local loss at the cut


@pytest.mark.parametrize(("every", "hidden"), [(1, None), (2, 4)])
def test_the_institutions_half_of_a_local_loss_is_federated_averaging(every, hidden):
    """Of [bottom, auxiliary head] in torch, whatever goes up; the top is torch's training on the recorded values."""
    work, shards, done = trained(
        "split/auxiliary", server_every=every, auxiliary_hidden=hidden, momentum=0.9, weight_decay=0.01
    )
    whole, heads = modules(work), head(work, hidden)
    lr, shares = work.algorithm.lr, np.array(SIZES) / sum(SIZES)
    top, now = torch.nn.Sequential(*whole[1:]), flat([whole[0], heads])
    server = torch.optim.SGD(top.parameters(), lr, 0.9, weight_decay=0.01)
    locals_ = [torch.nn.Sequential(modules(work)[0], head(work, hidden)) for _ in shards]
    own = [torch.optim.SGD(model.parameters(), lr, 0.9, weight_decay=0.01) for model in locals_]
    for t in range(work.rounds):
        for model in locals_:
            fill(model, now)
        for k, batch in steps(work, shards, t):
            for i, x, y in batch:
                z = locals_[i][0](x)
                own[i].zero_grad()
                torch.nn.functional.cross_entropy(locals_[i][1](z), y).backward()
                own[i].step()
                if (k + 1) % every == 0:
                    server.zero_grad()
                    torch.nn.functional.cross_entropy(top(z.detach()), y).backward()
                    server.step()
        now = sum(share * flat([model]) for share, model in zip(shares, locals_, strict=True))
    held = done.state["members/1"]
    assert_rows(torch.cat([held[name]["weights"]["params"] for name in ("bottom", "auxiliary")]), now)
    assert_rows(done.state["server_parts/0"]["top"]["weights"]["params"], flat([top]))


def head(work, hidden: int | None) -> torch.nn.Module:
    """The auxiliary head as it starts: a linear layer, or two, initialised as torch does from an address of its own."""
    nn, width, outputs = torch.nn, 8, work.outputs
    torch.manual_seed(seed_for(seed_for(work.seed, "auxiliary"), "init"))
    if hidden is None:
        return nn.Sequential(nn.Linear(width, outputs)).double()
    return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, outputs)).double()


def fill(model: torch.nn.Module, row: torch.Tensor) -> None:
    torch.nn.utils.vector_to_parameters(row.clone(), model.parameters())


@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_the_server_gets_every_hth_batch_of_each_institution(every):
    """3, 2 and 3 batches a round, counted anew in every round."""
    work, _, done = trained("split/auxiliary", server_every=every, optimizer="adamw", rounds=2)
    arrived = 2 * sum(count // every for count in (3, 2, 3))
    assert done.state["server_parts/0"]["top"]["optimizer"]["step"].item() == arrived
    lines = [line for each in done.rounds for line in each.traffic if line.kind == "smashed_data"]
    assert sum(line.messages for line in lines) == arrived
    assert not any(line.kind == "cut_gradient" for each in done.rounds for line in each.traffic)
    drawn = [[len(index) for index in batches(work, i, 0)] for i in range(3)]
    sent = 2 * sum(sum(sizes[every - 1 :: every]) for sizes in drawn)
    assert sum(line.bytes for line in lines) == sent * 8 * 8
