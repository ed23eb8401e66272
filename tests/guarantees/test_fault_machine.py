"""What is there in all is kept, in whatever order institutions sleep, links are cut and messages lost.

A schedule is made step by step: rules put institutions to sleep, part the network and lose messages, and every step
is one round of several methods at once under the same weather.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from swarmsim.runtime.driver import Inline
from swarmsim.schedule.weights import arcs, without
from swarmsim.types import Mixing, Tick
from tests.guarantees.fault_laws import weighed
from tests.jobs import job, mixing, quadratic
from tests.methods import method

MOST, STEPS = 6, 12
ONCE = {
    "lr": 1.0, "lr_schedule": {"use": "step", "every": 1, "factor": 1e-15}, "batch": None, "momentum": 0.0,
    "weight_decay": 0.0,
}  # fmt: skip
METHODS = {
    "swarm/dpsgd": {}, "swarm/push_sum": {}, "swarm/async_gossip": {"max_delay": 2}, "swarm/pairwise": {},
    "swarm/async_dpsgd": {"max_delay": 2},
}  # fmt: skip


class Live:
    """A schedule whose next round is whatever the weather is then."""

    plans = ()
    now: Tick

    def tick(self, t: int) -> Tick:
        return self.now


class Weather(RuleBasedStateMachine):
    """The methods on a ring with chords, and what is wrong at the moment."""

    @initialize(n=st.integers(2, MOST), seed=st.integers(0, 99), data=st.data())
    def begin(self, n: int, seed: int, data) -> None:
        chords = data.draw(
            st.sets(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] < e[1]))
        )
        links = chords | {(i, i + 1) for i in range(n - 1)}
        self.n, self.t, self.asleep, self.lost, self.late = n, 0, set(), set(), 0
        self.side = [0] * n
        self.base = {name: _graph(n, links, name == "swarm/push_sum") for name in METHODS}
        self.runs = {}
        self.targets = np.random.default_rng(seed).normal(size=n)
        for name, arguments in METHODS.items():
            work = job(
                method(name, **ONCE, **arguments), quadratic(self.targets.tolist()), schedule=Live(),
                rounds=STEPS + 2, seed=seed,
            )  # fmt: skip
            runtime = Inline()
            runtime.start(work)
            self.runs[name] = runtime, work
        self.kept: dict[str, float] = {}
        self.step()

    @rule(i=st.integers(0, MOST - 1))
    def sleep(self, i: int) -> None:
        if i < self.n:
            self.asleep.add(i)

    @rule(i=st.integers(0, MOST - 1))
    def wake(self, i: int) -> None:
        self.asleep.discard(i)

    @rule(mask=st.integers(1, 2**MOST - 1))
    def cut(self, mask: int) -> None:
        self.side = [mask >> i & 1 for i in range(self.n)]

    @rule()
    def heal(self) -> None:
        self.side = [0] * self.n

    @rule(i=st.integers(0, MOST - 1), j=st.integers(0, MOST - 1))
    def lose(self, i: int, j: int) -> None:
        """The next message from i to j, and back where a method needs both to fail together."""
        self.lost.add((i, j))

    @rule(most=st.integers(0, 2))
    def delay(self, most: int) -> None:
        self.late = most

    @rule()
    def step(self) -> None:
        """One round of every method under the weather as it is; then lost messages are over."""
        if self.t >= STEPS:
            return
        for name, (runtime, work) in self.runs.items():
            before = runtime.save()
            work.schedule.now = self.tick(name)
            (done,) = runtime.advance(self.t, self.t + 1)
            self.check(name, before, runtime.save(), done)
        self.t, self.lost = self.t + 1, set()

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        for name, (runtime, _) in getattr(self, "runs", {}).items():
            state = runtime.save()
            total, moment = weighed(name, state, self.n, self.t)
            assert abs(total - self.n) < 1e-12
            rows = [state[f"members/{i}"]["weights"]["params"].item() for i in range(self.n)]
            low, high = min(0.0, self.targets.min()), max(0.0, self.targets.max())
            assert low - 1e-12 <= min(rows) <= max(rows) <= high + 1e-12, name
            if name != "swarm/async_dpsgd":  # what is merged late is in nobody's place meanwhile
                assert abs(moment - self.kept.setdefault(name, moment)) < 1e-12, name

    def check(self, name: str, before: dict[str, Any], after: dict[str, Any], done) -> None:
        """Sleepers are as they were; what was sent over a link arrived or was lost, never both."""
        for i in self.asleep if name != "swarm/async_gossip" else ():
            assert before[f"members/{i}"]["weights"]["params"].equal(after[f"members/{i}"]["weights"]["params"])
        found = {(line.src, line.dst, line.kind) for line in done.traffic}
        assert not [line for line in found if (*line[:2], f"lost_{line[2]}") in found]

    def tick(self, name: str) -> Tick:
        base = self.base[name]
        src, dst = arcs(base)
        away, side = np.isin(np.arange(self.n), list(self.asleep)), np.array(self.side)
        cut = ((away[src] | away[dst]) & (src != dst)) | (side[src] != side[dst])
        both = self.lost | ({(j, i) for i, j in self.lost} if name != "swarm/push_sum" else set())
        dropped = (
            np.array([pair in both for pair in zip(src.tolist(), dst.tolist(), strict=True)]) & ~cut & (src != dst)
        )
        now = without(base, cut | dropped, "sender" if name == "swarm/push_sum" else "self")
        ages = None
        if name == "swarm/async_dpsgd":
            src_now, dst_now = arcs(now)
            ages = np.where(src_now == dst_now, 0, min(self.late, self.t)).astype(np.int32)
        awake = None if not self.asleep else tuple(i for i in range(self.n) if i not in self.asleep)
        lost = tuple(zip(src[dropped].tolist(), dst[dropped].tolist(), strict=True))
        return Tick(self.t, now, awake, lost, ages)


def _graph(n: int, links: set, directed: bool) -> Mixing:
    """Metropolis weights; for push-sum the links one way with a cycle, each sender dividing what it has evenly."""
    adjacency = np.eye(n)
    for i, j in links:
        adjacency[j, i] = 1
        adjacency[i, j] = 0 if directed else 1
    if directed:
        adjacency[0, n - 1] = 1
        return mixing(adjacency / adjacency.sum(0))
    degree = adjacency.sum(1) - 1
    w = np.where(np.eye(n, dtype=bool), 0, adjacency / (1 + np.maximum(degree[:, None], degree)))
    return mixing(w + np.diag(1 - w.sum(1)))


TestWeather = Weather.TestCase
TestWeather.settings = settings(max_examples=15, stateful_step_count=25, deadline=None)
