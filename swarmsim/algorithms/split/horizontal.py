"""Horizontal split learning: one program, four axes; the named methods are presets of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import ModuleType
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from swarmsim.algorithms.split import _steps, _unsplit
from swarmsim.algorithms.split._chain import OWN, Chain, Link, Stages, institutions_of, parts_of, servers_of
from swarmsim.algorithms.split._flights import Flights
from swarmsim.algorithms.split._looking import count_evaluation, parts_held, whole_models
from swarmsim.algorithms.split._possible import contradictions
from swarmsim.algorithms.split._present import REFUSES, UNDER, present
from swarmsim.algorithms.split._sharing import State, average_copies, average_own, average_statistics, fresh, hand_over
from swarmsim.lazy import torch
from swarmsim.local.batches import Batches
from swarmsim.local.obeying import Words
from swarmsim.local.sharing import Averaging, Shared, Verb, all_of, shares
from swarmsim.network.located import Group, Located
from swarmsim.rng import stream
from swarmsim.rows import Network, Segment
from swarmsim.types import Tick

__all__ = ["Horizontal"]


class Horizontal(Averaging):
    """Split learning over examples: institutions hold the bottom of one network, servers hold the rest.

    For a batch of institution i: z = bottom(x) goes to the server, the server steps the top on loss(top(z), y) and
    returns the cut gradient dloss/dz, with which i steps the bottom. With labels at the institution the server holds
    a trunk, whose output goes back to i, who holds the head too (U-shaped). `stages` names any other chain of owners
    (several hops). The parts together take exactly the step that the unsplit network takes.

    Axes: `copies` of the server's part (one; or one an institution, averaged every round), the order of `serving`,
    what happens to `institution_weights` between turns, and where the `labels` are. A round serves every
    institution's batches once; D examples of S bytes of smashed data move 2 D S bytes a cut.
    Equal concatenated batches with bottoms averaged after each and `cut_gradient: own` are one step of SGD on the joint
    batch. By institution with everything handed over, it is cyclical weight transfer of the unsplit network; one copy
    an institution with averaged bottoms is federated averaging.

    With `in_flight` k > 1, k batches are on their way at once: part p steps along the gradient at the weights of its
    forward pass, w <- w - lr g(w'), where w' is up to k - 1 steps old; the holder of the last part is never stale.
    The training metric `staleness` says how many steps on the average; k = 1 is exact.

    Reference: Gupta and Raskar, Distributed learning of deep neural network over multiple agents, JNCA 2018;
    Vepakomma et al., Split learning for health, 2018 (arXiv:1812.00564); for `in_flight`: Narayanan et al.,
    PipeDream, SOSP 2019 (weight stashing).
    """

    packs: ClassVar[bool] = False
    serves: ClassVar[bool] = True  # so that recall by label and by turn is measured
    under: ClassVar[Words] = UNDER
    refuses: ClassVar[Words] = REFUSES
    resends: ClassVar[bool] = True
    twin: ClassVar[str] = "the unsplit network, each step differentiated in one piece"

    cut: int | str | tuple[int | str, int | str] | None = Field(
        None, description="stages before the cut, or the name of the first stage behind it; [a, b] for labels at home"
    )
    stages: tuple[Stages, ...] | None = Field(
        None, min_length=2, description="instead of cut: every part of the chain with its owner"
    )
    copies: Literal["one", "per_institution"] = Field("one", description="of the server's part; several are averaged")
    serving: Literal["by_institution", "reverse", "random", "interleaved", "concatenated"] = Field(
        "by_institution",
        description="order of batches: turns, turns backwards, shuffled turns, one batch each, all at once",
    )
    institution_weights: Literal[
        "handed_over", "handed_over_via_server", "private", "averaged_each_epoch", "averaged_each_batch"
    ] = Field("handed_over", description="the bottoms (and heads) of different institutions")
    heads: Literal["as_bottoms", "private"] = Field(
        "as_bottoms", description="labels at home: heads are treated as bottoms are, or never leave"
    )
    labels: Literal["server", "institution"] | None = Field(
        None, description="who computes the loss; absent: as cut or stages say"
    )
    optimizer_state: Literal["keep", "handover", "reset", "average"] | None = Field(
        None, description="of parts whose weights are exchanged; absent: handover if they are handed over, else keep"
    )
    batch_norm: Literal["shared", "local", "average", "recalibrate"] = Field(
        "shared",
        description="statistics: exchanged as weights are; never; averaged each round; local, and computed again from "
        "an institution's training examples before its model is tried",
    )
    cut_gradient: Literal["joint", "own"] = Field(
        "joint",
        description="concatenated: gradient of the mean loss over all N examples, or times N/n_k, over one's own",
    )
    clip_norm: Literal["global", "part"] = Field("global", description="clip: the norm of all parts, or of each")
    weights: Literal["samples", "equal"] = Field("samples", description="what an institution counts for in averages")
    in_flight: int = Field(1, ge=1, le=64, description="batches on their way at once; above 1 weights are stale")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if wrong := contradictions(self):
            raise ValueError(wrong)
        return self

    # ------------------------------------------------------------------------------------------ the program

    def servers(self, n: int) -> tuple[str, ...]:
        names, copies = servers_of(self.owners), self.copies_of(n)
        return tuple(name if copies == 1 else f"{name}-{k}" for name in names for k in range(copies))

    def named_servers(self, n: int) -> dict[str, tuple[int, ...]]:
        """A server has all of its copies."""
        copies = self.copies_of(n)
        return {name: tuple(range(k * copies, (k + 1) * copies)) for k, name in enumerate(servers_of(self.owners))}

    def start(self, world) -> State:
        chain, learner, copies = self._chain(world), world.learner, self.copies_of(len(world.institutions.members))

        def holds(link: Link, group: str, m: int) -> bool:
            if link.group != group:
                return False
            return link.own or link.at <= m < link.at + (copies if group == "server" else 1)

        def parts(group: Group) -> Located:
            return group.each(
                lambda m: {
                    link.name: learner.start(link.segment)
                    for link in (*chain, *chain.beside)
                    if holds(link, group.kind, m)
                }
            )

        first = self._first_turns(0, world.institutions.members, world)
        return State(parts(world.institutions), parts(world.server), [[i] for i in first])

    def round(self, state: State, tick: Tick, world) -> State:
        return self._program(state, tick, world, _steps)

    def unsplit_round(self, state: State, tick: Tick, world) -> State:
        """The same round on the network in one piece; for one host."""
        return self._program(state, tick, world, _unsplit)

    def _program(self, state: State, tick: Tick, world, how: ModuleType) -> State:
        chain, t = self._chain(world), tick.t
        there = present(self, chain, tick, world)
        steps, flights = self._steps(t, there, world), Flights(self.in_flight, how, world)
        if not steps:
            return state
        batches = world.institutions.only(there).each(
            lambda i, xy: Batches(xy, world.learner.batches(i, len(xy[1]), t)), world.shards
        )
        if self.optimizer_state == "reset" and not self.hands_over:
            state = fresh(self, chain, state, there, world)
        for (who, k), (following, next_k) in zip(steps, [*steps[1:], ([None], -1)], strict=True):
            if self.hands_over:
                state = hand_over(self, chain, state, who[0], there, world)
            state = flights.begin(_steps.Route(self, chain, who, k, t, world), state, batches)
            if self.takes_turns and who != following:
                state = flights.land(state)
                world.after_turn(who[0], lambda watch, state=state: self.models(state, watch))
            if not self.takes_turns and k != next_k:
                state = self.after_batches(chain, flights, state, k, there, tick, world)
        return self._close(chain, flights.land(state), there, tick, world)

    def models(self, state: State, world) -> Located:
        """The parts of each institution's model, composed."""
        return whole_models(self, self._chain(world), state, world)

    def parts(self, state: State) -> dict[str, Located]:
        """The parts as they are held, by name."""
        return parts_held(state)

    def count_evaluation(self, world, institution: int, x: torch.Tensor) -> None:
        """Note what trying the model on examples x of an institution would send: smashed data there, outputs back."""
        count_evaluation(self, self._chain(world), world, institution, x)

    # ---------------------------------------------------------------------------------------- what presets change

    def copies_of(self, n: int) -> int:
        """How many copies of the server's part there are for n institutions."""
        return n if self.copies == "per_institution" else 1

    def copy_of(self, institution: int, world) -> int:
        """The copy that serves an institution."""
        return institution if self.copies == "per_institution" else 0

    def circles(self, world) -> list[list[int]]:
        """Institutions that hand over to, or are averaged with, each other; circle c meets at server c."""
        return [list(world.institutions.members)]

    def rate_of(self, link: Link) -> float:
        """What a part's learning rate is multiplied by."""
        return 1.0

    def cut_gradients(self, pieces: list[torch.Tensor], route) -> list[torch.Tensor]:
        """What the server sends down to the bottoms, for their true cut gradients [B_i, ...]."""
        return pieces

    def after_batches(
        self, chain: Chain, flights: Flights, state: State, k: int, there: list[int], tick: Tick, world
    ) -> State:
        """Behind the k-th batches of all institutions, where they are served together or one batch each."""
        if self.institution_weights == "averaged_each_batch":
            state = average_own(self, chain, flights.land(state), there, world)
        return state

    def merge_copies(self, chain: Chain, state: State, there: list[int], tick: Tick, world) -> State:
        """The end of a round, at the servers: copies are averaged where they stand, so nothing crosses the net."""
        if self.copies != "per_institution":
            return state
        p, net = shares(self.weights, [world.sizes[i] for i in there]), world.net.uncounted()

        def mean(group: Group) -> Verb:
            first = group.members[0]
            return lambda values, kind: net.broadcast(
                net.average(values, p, group, group, first, kind), group, first, group, kind
            )

        return average_copies(self, chain, state, there, world, mean)

    # ------------------------------------------------------------------------------------------------ its pieces

    @property
    def owners(self) -> tuple[Stages, ...]:
        """The chain as it was written, or as the cut says: institution, server and, with two cuts, institution."""
        if self.stages is not None:
            return self.stages
        cuts = self.cut if isinstance(self.cut, tuple) else (self.cut,)
        ends = zip((OWN, "server", OWN), (*cuts, None), strict=False)
        return tuple(Stages(owner=owner, until=until) for owner, until in ends)

    @property
    def hands_over(self) -> bool:
        return self.institution_weights.startswith("handed_over")

    @property
    def takes_turns(self) -> bool:
        """Whether an institution's batches of a round are served one behind the other."""
        return self.serving not in ("interleaved", "concatenated")

    def check_names(self, names: Sequence[str]) -> None:
        """Raises InputError for an owner that is no institution, before anything starts."""
        institutions_of(self.owners, names)

    def phase(self, t: int, rounds: int) -> Hashable:
        return t if self.serving == "random" else 0

    def parts_of(self, network: Network, n: int) -> dict[str, Segment]:
        """The parts of a network by name; for any number n of institutions the same."""
        return parts_of(network, self.owners)

    def exchanged(self, chain: Chain) -> list[Link]:
        """The institutions' own parts whose weights go to others."""
        return [link for link in chain.own if not (link.name == "head" and self.heads == "private")]

    def shared(self, part: Segment) -> Shared:
        """What is exchanged when weights are."""
        return all_of(part) if self.batch_norm == "shared" else Shared(("params",))

    def turns(self, t: int, there: Sequence[int], world) -> list[int]:
        """Those there who have examples, in the order in which round t serves them."""
        order = [i for i in there if world.sizes[i]]
        if self.serving == "reverse":
            return order[::-1]
        if self.serving == "random":
            return stream(world.learner.seed, "serving", t).permutation(order).tolist()
        return order

    def _chain(self, world) -> Chain:
        names = world.institutions.names
        return Chain.of(world.learner.network, self.owners, names, self.copies_of(len(names)))

    def _steps(self, t: int, there: list[int], world) -> list[tuple[list[int], int]]:
        """(institutions, k): whose k-th batches are served together, in order."""
        counts = {i: world.learner.count(world.sizes[i]) for i in self.turns(t, there, world)}
        if self.takes_turns:
            return [([i], k) for i, count in counts.items() for k in range(count)]
        most = max(counts.values(), default=0)
        together = [([i for i, count in counts.items() if k < count], k) for k in range(most)]
        return [(group, k) for who, k in together for group in self.served_at_once(who, world)]

    def served_at_once(self, who: list[int], world) -> list[list[int]]:
        """Institutions that have a k-th batch, as groups that are served as one batch."""
        return [who] if self.serving == "concatenated" else [[i] for i in who]

    def _close(self, chain: Chain, state: State, there: list[int], tick: Tick, world) -> State:
        """The end of a round: averages, and the hand-over to whoever is first in the next, of those there in this."""
        if self.institution_weights == "averaged_each_epoch":
            state = average_own(self, chain, state, there, world)
        if self.batch_norm == "average":
            state = average_statistics(self, chain, state, there, world)
        state = self.merge_copies(chain, state, there, tick, world)
        for first in self._first_turns(tick.t + 1, there, world) if self.hands_over else ():
            state = hand_over(self, chain, state, first, there, world)
        return state

    def _first_turns(self, t: int, there: Sequence[int], world) -> list[int]:
        """Who of those there is first in round t, in each circle that has some; one with examples, if there is one."""
        turns, circles = self.turns(t, there, world), [[i for i in c if i in there] for c in self.circles(world)]
        return [next((i for i in turns if i in circle), circle[0]) for circle in circles if circle]
