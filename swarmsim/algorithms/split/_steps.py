"""One step of split learning on the k-th batches of some institutions: split, and the unsplit twin it must equal."""

from __future__ import annotations

from dataclasses import replace

from swarmsim.lazy import torch
from swarmsim.local.halves import serve, step, trunk_backward, trunk_forward
from swarmsim.local.passes import forward, forward_on
from swarmsim.network.located import Located

__all__ = ["split_step", "unsplit_step"]


def split_step(method, state, who: list[int], k: int, batches: Located, tick, world):
    """The parts step, each at its holder: smashed data to the server, cut gradients back."""
    institutions, server = world.institutions.only(who), world.server.only([method.copy_of(who[0])])
    parts, learner, net, t = method.parts_of(world.learner.network), world.learner, world.net, tick.t
    copy, address = server.members[0], learner.address(who[0], t)
    seed = (*address, k) if address else None

    def up(values: Located, kind: str) -> Located:
        return net.gather(values, institutions, server, copy, kind)

    def down(values: Located, kind: str) -> Located:
        return net.scatter(values, server, copy, institutions, kind)

    def bottom(i: int, held: dict, xy: tuple, index: list):
        own = (*learner.address(i, t), k) if address else None
        return forward(parts["bottom"], held["bottom"]["weights"], xy[0][index[k]], own, differentiate_x=False)

    passes = institutions.each(bottom, state.members, world.shards, batches)
    targets = institutions.each(lambda i, xy, index: xy[1][index[k]], world.shards, batches)
    z = up(institutions.each(lambda i, here: here.output.detach(), passes), "smashed_data")
    if method.labels == "server":
        y = up(targets, "labels")
        served = server.each(
            lambda s, member, z, y: serve(learner, parts["top"], member, z, y, seed, t), state.server_tops, z, y
        )
        tops, back = served[0], down(served[1], "cut_gradient")
        server.each(lambda s, out, y: _note(world, who, out[2], y), served, y)
        heads = None
    else:
        passed = server.each(
            lambda s, member, z: trunk_forward(parts["top"], member, z, seed), state.server_tops, z
        )
        u, total = down(passed[1], "smashed_data"), sum(_size(world, i, k) for i in who)
        heads = institutions.each(
            lambda i, held, u, y: _head(learner, parts["head"], held["head"], u, y, seed, t, total),
            state.members, u, targets,
        )  # fmt: skip
        institutions.each(lambda i, out, y: _note(world, [i], [out[2]], [y]), heads, targets)
        gradients = up(heads[1], "cut_gradient")
        tops = server.each(
            lambda s, member, here, g: trunk_backward(learner, member, here, g, t),
            state.server_tops, passed[0], gradients,
        )  # fmt: skip
        tops, back = tops[0], down(tops[1], "cut_gradient")

    def finish(i: int, held: dict, here, cut_gradient: torch.Tensor, *head) -> dict:
        stepped = {"bottom": step(learner, held["bottom"], here, here.backward(cut_gradient)[0], t)}
        return stepped | ({"head": head[0]} if head else {})

    members = institutions.each(finish, state.members, passes, back, *([heads[0]] if heads else []))
    return replace(state, members=state.members | members, server_tops=state.server_tops | tops)


def unsplit_step(method, state, who: list[int], k: int, batches: Located, tick, world):
    """The same step without a cut: one graph from the examples to the loss, differentiated in one piece.

    For a runtime with a single host; what it gives, the messages of `split_step` must give as well.
    """
    learner, t, copy = world.learner, tick.t, method.copy_of(who[0])
    parts, held, top = method.parts_of(learner.network), state.members.values, state.server_tops.values[copy]
    xy = {i: [values[batches.values[i][k]] for values in world.shards.values[i]] for i in who}
    seeds = {i: (*address, k) if (address := learner.address(i, t)) else None for i in who}

    bottoms = [forward(parts["bottom"], held[i]["bottom"]["weights"], xy[i][0], seeds[i], False) for i in who]
    trunk = forward_on(parts["top"], top["weights"], torch.cat([here.output for here in bottoms]), seeds[who[0]])
    outputs, sizes = [trunk], [len(xy[i][1]) for i in who]
    if "head" in parts:
        pieces = zip(who, trunk.output.split(sizes), strict=True)
        outputs = [forward_on(parts["head"], held[i]["head"]["weights"], u, seeds[who[0]]) for i, u in pieces]
    predicted = torch.cat([here.output for here in outputs])
    loss = learner.loss(predicted, torch.cat([xy[i][1] for i in who]))

    passes = [*bottoms, trunk, *(outputs if "head" in parts else [])]
    gradients = iter(torch.autograd.grad(loss, [here.params for here in passes]))
    members = {i: {"bottom": step(learner, held[i]["bottom"], here, next(gradients), t)} for i, here in zip(who, bottoms)}
    top = step(learner, top, trunk, next(gradients), t)
    for i, here in zip(who, outputs if "head" in parts else []):
        members[i]["head"] = step(learner, held[i]["head"], here, next(gradients), t)
    for i, output in zip(who, predicted.detach().split(sizes), strict=True):
        _note(world, [i], [learner.loss(output, xy[i][1]).reshape(1)], [xy[i][1]])
    return replace(
        state, members=state.members | Located(members), server_tops=state.server_tops | Located({copy: top})
    )


def _head(learner, segment, member: dict, u: torch.Tensor, y: torch.Tensor, seed, t: int, total: int) -> tuple:
    """The head's step: (member, gradient of u, loss); with several institutions, as parts of one batch of `total`."""
    here = forward(segment, member["weights"], u, seed, differentiate_x=True)
    loss = learner.loss(here.output, y)
    grad, cut_gradient = here.backward_from(loss * (len(y) / total))
    return step(learner, member, here, grad, t), cut_gradient, loss.detach().reshape(1)


def _size(world, i: int, k: int) -> int:
    return world.learner.batch_size(world.sizes[i], k)


def _note(world, who: list[int], losses: list[torch.Tensor], y: list[torch.Tensor]) -> None:
    for i, loss, labels in zip(who, losses, y, strict=True):
        world.note_loss(world.institutions.names[i], loss, len(labels))
