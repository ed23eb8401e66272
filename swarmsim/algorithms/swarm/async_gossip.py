"""Asynchronous gossip with bounded delay."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from pydantic import Field

from swarmsim.lazy import torch
from swarmsim.local.obeying import DELIVERED, LINKS, PACE, QUORUM, Words, away
from swarmsim.local.sharing import Averaging, Shared
from swarmsim.network.located import Located
from swarmsim.rng import stream
from swarmsim.types import Mixing, Tick

__all__ = ["AsyncGossip"]


KEPT = {"link_loss": "a message that is lost was never sent: its sender keeps its weight"}


@dataclass(frozen=True)
class State:
    members: Located
    mass: Located  # w_i [1]: what the model of an institution counts for
    sent: Located  # {"params": [most + 1, d], ..., "mass": [most + 1, 1]}: w x and w that were sent, newest first
    flying: list[list[int]]  # [source, destination, round sent, round of arrival] of every message on its way


class AsyncGossip(Averaging):
    """Asynchronous gossip: who is awake trains and sends half of its weight to one neighbour, who gets it later.

    x_i <- train_i(x_i); i keeps w_i / 2 and sends (x_i, w_i / 2) to a random neighbour, with a delay of 0 to
    `max_delay` rounds; what arrives at j is merged at once, x_j <- (w_j x_j + sum w x) / (w_j + sum w), w_j <- w_j +
    sum w, even while j sleeps. The mass of all institutions and of what is on its way is n in every round, so no
    delay biases the average, and a message that is lost is never sent: its sender keeps all. A round moves one model
    and one number for each institution that is awake.

    Reference: Blot et al., Gossip training for deep learning (GoSGD), 2016 (arXiv:1611.09726); Kempe, Dobra and Gehrke,
    Gossip-based computation of aggregate information, FOCS 2003, for the weights.
    """

    packs: ClassVar[bool] = True
    merges: ClassVar[bool] = True
    mixes: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("symmetric",)
    under: ClassVar[Words] = {
        **away("what was on its way to it arrives all the same"), **QUORUM, **PACE, **LINKS, **DELIVERED, **KEPT
    }  # fmt: skip
    refuses: ClassVar[Words] = {"delay": "max_delay says how long its messages are on their way"}

    max_delay: int = Field(2, ge=0, le=64, description="longest time that a message is on its way, in rounds")

    def start(self, world) -> State:
        everyone, shared = world.institutions, self.shared(world.learner.network)
        members = everyone.each(lambda i: world.learner.start())
        mass = everyone.map(lambda w: torch.ones_like(w["params"][..., :1]), members["weights"])
        nothing = everyone.map(lambda w, m: self._empty(shared, w, m), members["weights"], mass)
        return State(members, mass, nothing, [])

    def phase(self, t: int, rounds: int) -> Hashable:
        return t  # others hear in every round

    def round(self, state: State, tick: Tick, world) -> State:
        everyone, shared = world.institutions, self.shared(world.learner.network)
        trained = world.train(state.members, tick)
        leaving = self._leaving(tick, world)
        senders = {message[0] for message in leaving}
        kept = everyone.each(lambda i, m: m * 0.5 if i in senders else m, state.mass)
        sent = everyone.map(lambda s, w, m: self._pushed(shared, s, w, m), state.sent, trained["weights"], kept)
        flying = [*state.flying, *leaving]
        arriving = [message for message in flying if message[3] == tick.t]
        now = replace(tick, **self._arrivals(tick, arriving, len(everyone.members)))
        kinds = (*shared.kinds, "mass")
        sums = {kind: self._received(kind, sent, now, world) for kind in kinds}

        def merge(member: dict, mass: torch.Tensor, *received: torch.Tensor) -> tuple[dict, torch.Tensor]:
            total, weights = mass + received[-1], member["weights"]
            new = {
                kind: shared.put(kind, weights[kind], _mean(shared.pick(kind, weights[kind]), received[-1], row, total))
                for kind, row in zip(shared.kinds, received[:-1], strict=True)
            }
            return {**member, "weights": {**weights, **new}}, total

        done = everyone.map(merge, trained, kept, *sums.values())
        return State(done[0], done[1], sent, [message for message in flying if message[3] > tick.t])

    def models(self, state: State, world) -> Located:
        return state.members["weights"]

    def _leaving(self, tick: Tick, world) -> list[list[int]]:
        """The messages that those awake send in this round: to whom, and when they arrive."""
        found, lost, reached = [], set(tick.lost), _reached(tick)
        for i in tick.awake(world.institutions.members):
            rng = stream(world.learner.seed, "gossip", tick.t, i)
            neighbours = sorted(reached.get(i, ()))
            if neighbours:
                j, delay = neighbours[int(rng.integers(len(neighbours)))], int(rng.integers(self.max_delay + 1))
                if (i, j) not in lost:
                    found.append([i, j, tick.t, tick.t + delay])
        return found

    def _arrivals(self, tick: Tick, messages: list[list[int]], n: int) -> dict:
        """What arrives, as a matrix of ones with ages; the diagonal is there and counts nothing."""
        rows = {j: [(j, 0, 0.0)] for j in range(n)}
        for i, j, sent, _ in messages:
            rows[j].append((i, tick.t - sent, 1.0))
        entries = [entry for j in range(n) for entry in sorted(rows[j])]
        starts = np.concatenate([[0], np.cumsum([len(rows[j]) for j in range(n)])])
        columns, ages, weights = (np.array(side) for side in zip(*entries, strict=True))
        return {"mixing": Mixing(n, starts, columns, weights), "ages": ages, "lost": ()}

    def _received(self, kind: str, sent: Located, now: Tick, world) -> Located:
        """The sums of what arrived of one kind of rows."""
        newest, *older = [sent[kind].map(lambda rows, k=k: rows[..., k, :]) for k in range(self.max_delay + 1)]
        label = {"params": "weights", "mass": "control"}.get(kind, "buffers")
        return world.net.mix(newest, now, world.institutions, label, older)

    def _empty(self, shared: Shared, weights: dict, mass: torch.Tensor) -> dict:
        rows = {**{kind: shared.pick(kind, weights[kind]) for kind in shared.kinds}, "mass": mass}
        return {kind: torch.zeros_like(torch.stack([row] * (self.max_delay + 1), -2)) for kind, row in rows.items()}

    def _pushed(self, shared: Shared, sent: dict, weights: dict, mass: torch.Tensor) -> dict:
        """What was sent, one round later: w x and w of now in front, the oldest left out."""
        rows = {kind: _times(shared.pick(kind, weights[kind]), mass) for kind in shared.kinds} | {"mass": mass}
        return {kind: torch.cat([row.unsqueeze(-2), sent[kind][..., :-1, :]], -2) for kind, row in rows.items()}


def _reached(tick: Tick) -> dict[int, set[int]]:
    """To whom each institution can send: a sender does not know which of its messages will be lost."""
    reached: dict[int, set[int]] = {}
    arriving = [(int(i), j) for j in range(tick.mixing.n) for i in tick.mixing.row(j)[0] if i != j]
    for i, j in (*arriving, *tick.lost):
        reached.setdefault(i, set()).add(j)
    return reached


def _times(row: torch.Tensor, mass: torch.Tensor) -> torch.Tensor:
    """w x; BatchNorm's counters are not averaged."""
    return row * mass if row.is_floating_point() else row


def _mean(row: torch.Tensor, arrived: torch.Tensor, received: torch.Tensor, total: torch.Tensor) -> torch.Tensor:
    """(w x + what was received) / the weight of both, written so that nothing is rounded where nothing arrived."""
    return row + (received - row * arrived) / total if row.is_floating_point() else row
