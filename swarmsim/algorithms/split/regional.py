"""Split learning within regions, swarm learning between their servers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from swarmsim.algorithms.split._chain import Chain, servers_of
from swarmsim.algorithms.split._flights import Flights
from swarmsim.algorithms.split._present import under
from swarmsim.algorithms.split._sharing import State, average_copies
from swarmsim.algorithms.split.horizontal import Horizontal
from swarmsim.local.obeying import Words
from swarmsim.local.sharing import Verb
from swarmsim.network.located import Group
from swarmsim.types import InputError, Tick

__all__ = ["Regional"]


class Regional(Horizontal):
    """Split and swarm: every region has a server of its own, and the servers average their parts over a topology.

    Within a region all is as in horizontal split learning: hand-overs go round in it, bottoms are averaged in it, its
    batches are concatenated in it. Between regions, every `average_every` rounds (or steps) the servers' parts mix,
    top_r <- sum_s W_rs top_s, with the W of `topology`, whose nodes are the servers. One region is the method without
    regions. On the complete graph after every step, with equal regions of equal batches, private bottoms, plain SGD
    and `cut_gradient: own`, it is one server with concatenated batches.

    Reference: made for swarmsim; Gupta et al., RadioGraphics 2023, name both halves; Lian et al., NeurIPS 2017, for the
    mixing.
    """

    mixes: ClassVar[bool] = True
    under: ClassVar[Words] = under("its region is not served, and the others mix without it")
    needs: ClassVar[tuple[str, ...]] = ("doubly_stochastic",)

    regions: int | tuple[tuple[str, ...], ...] = Field(
        description="how many, of consecutive institutions; or the names of the institutions of each"
    )
    copies: Literal["per_region"] = "per_region"
    average_every: int = Field(1, ge=1, description="rounds or steps between two averages of the servers")
    average_unit: Literal["round", "step"] = Field("round", description="what average_every counts")

    @model_validator(mode="after")
    def _regions_possible(self) -> Self:
        if self.many < 1 or (isinstance(self.regions, tuple) and not all(self.regions)):
            raise ValueError("regions: at least one, none of them empty")
        if len(servers_of(self.owners)) != 1:
            raise ValueError("regions: a region has one server; give its stages to one owner `server`")
        if self.average_unit == "step" and self.takes_turns:
            raise ValueError(
                "average_unit: step averages after the k-th batches of all regions; by turns these are far apart; use "
                "serving: interleaved or concatenated"
            )
        return self

    @property
    def many(self) -> int:
        """How many regions there are."""
        return self.regions if isinstance(self.regions, int) else len(self.regions)

    def named_servers(self, n: int) -> dict[str, tuple[int, ...]]:
        """Every region's server by itself."""
        return {name: (k,) for k, name in enumerate(self.servers(n))}

    def nodes(self, names: Sequence[str]) -> tuple[str, ...]:
        """The nodes of the topology: the servers."""
        return self.servers(len(names))

    def copies_of(self, n: int) -> int:
        return self.many

    def copy_of(self, institution: int, world) -> int:
        return next(r for r, region in enumerate(self.circles(world)) if institution in region)

    def circles(self, world) -> list[list[int]]:
        return self._regions(world.institutions.names)

    def check_names(self, names: Sequence[str]) -> None:
        super().check_names(names)
        if self.many > len(names):
            raise InputError(f"regions: {self.many} regions need as many institutions, and there are {len(names)}")
        if isinstance(self.regions, int):
            return
        named = [name for region in self.regions for name in region]
        if unknown := [name for name in named if name not in names]:
            raise InputError(f"regions: no institution {unknown[0]!r}; there are {', '.join(names)}")
        if wrong := [name for name in names if named.count(name) != 1]:
            times = named.count(wrong[0])
            raise InputError(f"regions: institution {wrong[0]!r} is in {times} of them, and must be in one")

    def served_at_once(self, who: list[int], world) -> list[list[int]]:
        if self.serving != "concatenated":
            return super().served_at_once(who, world)
        groups = [[i for i in who if i in region] for region in self.circles(world)]
        return [group for group in groups if group]

    def after_batches(
        self, chain: Chain, flights: Flights, state: State, k: int, there: list[int], tick: Tick, world
    ) -> State:
        state = super().after_batches(chain, flights, state, k, there, tick, world)
        if self.average_unit == "step" and (k + 1) % self.average_every == 0:
            state = self._mix(chain, flights.land(state), tick, world)
        return state

    def phase(self, t: int, rounds: int) -> Hashable:
        return super().phase(t, rounds), (t + 1) % self.average_every

    def merge_copies(self, chain: Chain, state: State, there: list[int], tick: Tick, world) -> State:
        """The end of a round: the servers' parts cross the edges of the topology, every `average_every` rounds."""
        if self.average_unit == "round" and (tick.t + 1) % self.average_every == 0:
            state = self._mix(chain, state, tick, world)
        return state

    def _mix(self, chain: Chain, state: State, tick: Tick, world) -> State:
        def mixed(group: Group) -> Verb:
            return lambda values, kind: world.net.mix(values, tick, group, kind)

        return average_copies(self, chain, state, range(self.many), world, mixed)

    def _regions(self, names: Sequence[str]) -> list[list[int]]:
        if isinstance(self.regions, int):
            owners = [i * self.regions // len(names) for i in range(len(names))]
            return [[i for i, owner in enumerate(owners) if owner == r] for r in range(self.regions)]
        return [[list(names).index(name) for name in region] for region in self.regions]
