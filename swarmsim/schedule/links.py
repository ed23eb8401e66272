"""What happens to messages: lost on the way, cut off by a parted network, late."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from swarmsim.schedule.draws import uniforms
from swarmsim.schedule.faults import Delay, Faults, LinkLoss
from swarmsim.schedule.naming import indices
from swarmsim.types import InputError

__all__ = ["WIDE", "ages", "losses", "sides"]

WIDE = 2**31  # more than there are institutions: a link is src * WIDE + dst


def losses(loss: LinkLoss, src: np.ndarray, dst: np.ndarray, rounds: int, seed: int) -> Iterator[np.ndarray]:
    """Round by round which of the messages src[k] -> dst[k] are lost, if they are sent: [messages] bool.

    independent: each with probability p. gilbert_elliott: a link is good or bad, as a Markov chain that starts in its
    stationary state; the share of lost messages is (to_good lost_good + to_bad lost_bad) / (to_bad + to_good).

    Reference: Gilbert, Capacity of a burst-noise channel, Bell System Technical Journal 1960; Elliott, ibid. 1963.
    """
    links = _links(src, dst, loss.symmetric)
    bad = np.zeros(len(links), dtype=bool)
    for t in range(rounds):
        chance = loss.probability
        if loss.use == "gilbert_elliott":
            bad = _turned(loss, bad, t, uniforms(links, seed, "link_state", t))
            chance = np.where(bad, loss.lost_bad, loss.lost_good)
        yield uniforms(links, seed, "link_loss", t) < chance


def _turned(loss: LinkLoss, bad: np.ndarray, t: int, u: np.ndarray) -> np.ndarray:
    if t == 0:
        return u < loss.to_bad / (loss.to_bad + loss.to_good)
    return u < np.where(bad, 1 - loss.to_good, loss.to_bad)


def _links(src: np.ndarray, dst: np.ndarray, symmetric: bool) -> np.ndarray:
    if symmetric:
        src, dst = np.minimum(src, dst), np.maximum(src, dst)
    return src * WIDE + dst


def sides(faults: Faults, names: Sequence[str], rounds: int) -> np.ndarray | None:
    """Which group each institution is in [rounds, n]: those of one number reach each other; None: all, always."""
    if not faults.partitions:
        return None
    found = np.zeros((rounds, len(names)), dtype=np.int16)
    for parted in faults.partitions:
        side = np.zeros(len(names), dtype=np.int16)
        for k, group in enumerate(parted.groups, 1):
            side[indices(group, names, "faults.partitions")] = k
        if len(set(side.tolist())) == 1:
            raise InputError("faults.partitions: one group of all institutions parts nobody; name at least two groups")
        found[parted.rounds(rounds)] = side
    return found


def ages(delay: Delay, src: np.ndarray, dst: np.ndarray, t: int, seed: int) -> np.ndarray:
    """How many rounds old the values are that arrive in round t over src[k] -> dst[k]: [messages] int32.

    0 for an institution's own value; none is older than the run, so ages are at most t.
    """
    u = uniforms(_links(src, dst, symmetric=False), seed, "delay", t)
    drawn = u * (delay.most + 1)
    if delay.use == "geometric":
        drawn = np.log1p(-u) / np.log(delay.mean / (1 + delay.mean))  # P(drawn >= a) = (mean / (1 + mean))^a
    return np.where(src == dst, 0, np.minimum(drawn, min(delay.most, t))).astype(np.int32)
