"""Who leads a round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swarmsim.rng import stream
from swarmsim.schedule.naming import indices
from swarmsim.schedule.protocol import Protocol
from swarmsim.types import InputError

__all__ = ["Election"]


class Election:
    """The candidates in the order of the rule; the first of them who is there leads.

    rotation: round t begins with candidate t mod k, whoever led before; random: an order drawn for every round;
    first_to_finish: who of those awake has its contribution first, the lower number of two at once; fixed: the named
    one, then the order of the institutions.
    """

    def __init__(self, protocol: Protocol, names: Sequence[str], seed: int) -> None:
        self.rule, self.seed = protocol.leader, seed
        never = set(indices(protocol.never_lead, names, "never_lead"))
        self.candidates = [i for i in range(len(names)) if i not in never]
        if not self.candidates:
            raise InputError("never_lead: names everybody, so that nobody can lead; leave one out")
        if protocol.leader_name is not None:
            (named,) = indices([protocol.leader_name], names, "leader_name")
            self.candidates.sort(key=lambda i: i != named)

    def hold(
        self, t: int, members: Sequence[bool], awake: Sequence[bool], ends: Sequence[float]
    ) -> tuple[int | None, int | None]:
        """(leader, who should have led but is away); the leader is None if no candidate is a member and awake.

        ends: when each would have its contribution, in simulated seconds.
        """
        order = [i for i in self._order(t) if members[i]]
        if self.rule == "first_to_finish":
            order = sorted((i for i in order if awake[i]), key=lambda i: ends[i])
        leader = next((i for i in order if awake[i]), None)
        return leader, order[0] if order and order[0] != leader else None

    def _order(self, t: int) -> list[int]:
        if self.rule == "rotation":
            turn = t % len(self.candidates)
            return self.candidates[turn:] + self.candidates[:turn]
        if self.rule == "random":
            drawn = stream(self.seed, "leader", t).permutation(len(self.candidates))
            return [self.candidates[k] for k in np.asarray(drawn).tolist()]
        return self.candidates
