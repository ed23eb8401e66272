"""What must hold in a run under faults, whatever they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from swarmsim.runtime.driver import Inline, Round
from swarmsim.runtime.world import Job
from swarmsim.schedule.faults import Faults
from swarmsim.schedule.links import sides
from swarmsim.types import InputError, Tick
from tests.comparing import digest
from tests.guarantees.fault_case import Case
from tests.guarantees.retelling import differences, repeated, sent
from tests.guarantees.storms import LATE, stormy

__all__ = ["REFUSED", "broken", "weighed"]

REFUSED = "refused"
TOLERANCE = 1e-9
ON_EDGES = {  # methods whose models cross every link of W once a round, and no other
    f"swarm/{name}" for name in
    ("dpsgd", "quasi_global", "gradient_tracking", "exact_diffusion", "d2", "extra", "push_sum", "relay_sum", "choco")
}  # fmt: skip
KEEP_THE_MEAN = ("swarm/dpsgd", "swarm/d_cliques", "swarm/pairwise", "swarm/late_merge", "swarm/choco")


def broken(one: Case) -> list[str]:
    """The laws that a case breaks, each with its round; [REFUSED] if it is refused before the first."""
    section = Faults.model_validate(one.faults)
    try:
        work, said = stormy(one.calm, **one.faults)
    except InputError:
        return [REFUSED]
    found = [*differences(work, one.calm, section, said), *_matrices(one, work, section)]
    rounds: list[Round] = []
    for t, done, before, after in _advanced(work):
        rounds.append(done)
        tick = work.schedule.tick(t)
        laws = [*_stillness(one, work, tick, done, before, after), *_finite(after)]
        laws += [*_traffic(one, work, section, tick, done), *_sums(one, section, work, t, before, after)]
        found += [f"round {t + 1}: {law}" for law in laws]
    return found + repeated(work, rounds)


def _advanced(work: Job) -> Iterator[tuple]:
    with Inline() as runtime:
        runtime.start(work)
        before = runtime.save()
        for t in range(work.rounds):
            (done,) = runtime.advance(t, t + 1)
            after = runtime.save()
            yield t, done, before, after
            before = after


def _matrices(one: Case, work: Job, section: Faults) -> Iterator[str]:
    """Rows sum to 1; columns too unless messages are lost one way; in push-sum columns do, and rows need not."""
    one_way = section.link_loss is not None and not section.link_loss.symmetric and not work.algorithm.resends
    for t in range(work.rounds if work.schedule.mixings else 0):
        w = work.schedule.tick(t).mixing.dense()
        if one.name != "swarm/push_sum" and abs(w.sum(1) - 1).max() > 1e-12:
            yield f"round {t + 1}: rows of W sum to {w.sum(1)}"
        if (one.name == "swarm/push_sum" or not one_way) and abs(w.sum(0) - 1).max() > 1e-12:
            yield f"round {t + 1}: columns of W sum to {w.sum(0)}"
        if w.min() < 0 or (np.diag(w) == 0).any():
            yield f"round {t + 1}: W has a negative weight, or no weight of one's own"


def _stillness(one: Case, work: Job, tick: Tick, done: Round, before: dict, after: dict) -> Iterator[str]:
    """Who is away, and everybody where nobody can act, is as before, silent and without a loss."""
    everyone = range(len(work.names))
    away = set(everyone) - set(tick.awake(everyone))
    outage = len(tick.servers_down) == len(work.servers) > 0
    names = {work.names[i] for i in away} | ({*work.names, *work.servers} if outage else set())
    if names & set(done.losses):
        yield f"{names & set(done.losses)} is away and trains"
    if one.name in LATE:
        return
    talked = {end for line in done.traffic for end in (line.src, line.dst)}
    if names & talked:
        yield f"{names & talked} is away and talks"
    held = [key for key in before if "/" in key and key.rsplit("/", 1)[1] in map(str, away)]
    kept = [key for key in held if not key.startswith("server")] if not outage else list(before)
    yield from (f"{key} has changed" for key in kept if _hash(before[key]) != _hash(after[key]))


def _hash(value: Any) -> str:
    return digest(value) if isinstance(value, dict) else repr(value)


def _finite(state: dict) -> Iterator[str]:
    models = {key: tree["weights"] for key, tree in state.items() if key.startswith("members/") and "weights" in tree}
    yield from (f"{key} is not finite" for key, weights in models.items() if not weights["params"].isfinite().all())


def _traffic(one: Case, work: Job, section: Faults, tick: Tick, done: Round) -> Iterator[str]:
    """What is sent over the links of W is what could be, and it is received or lost."""
    if one.name not in ON_EDGES:
        return
    apart, awake = sides(section, work.names, work.rounds), set(tick.awake(range(len(work.names))))
    base, names = one.calm.schedule.tick(tick.t).mixing, work.names
    links = {(int(j), i) for i in range(base.n) for j in base.row(i)[0] if j != i and {i, int(j)} <= awake}
    side = None if apart is None else apart[tick.t]
    wanted = {(names[j], names[i]) for j, i in links if side is None or side[i] == side[j]}
    arrived, lost = sent(done.traffic, "weights"), sent(done.traffic, "lost_weights")
    gone = {(names[src], names[dst]) for src, dst in tick.lost}
    if arrived | (gone if not work.algorithm.resends else set()) != wanted:
        yield f"sent over {sorted(arrived | lost)} and not over {sorted(wanted)}"
    if not work.algorithm.resends and (lost != gone or arrived & lost):
        yield f"lost over {sorted(lost)} and not over {sorted(gone)}"
    sizes = {line.kind.removeprefix("lost_"): line.bytes // line.messages for line in done.traffic}
    if any(line.bytes != line.messages * sizes[line.kind.removeprefix("lost_").removeprefix("copy_")]
           for line in done.traffic if not line.kind.startswith("copy_") or line.kind[5:] in sizes):  # fmt: skip
        yield "messages of one kind have several sizes"


def _sums(one: Case, section: Faults, work: Job, t: int, before: dict, after: dict) -> Iterator[str]:
    """Masses sum to n; where models only mix, their mean, weighed by the masses, stays."""
    n = len(work.names)
    then, now = (weighed(one.name, state, n, done) for state, done in ((before, t), (after, t + 1)))
    if abs(now[0] - n) > TOLERANCE:
        yield f"masses sum to {now[0]}"
    one_way = section.link_loss is not None and not section.link_loss.symmetric
    conserved = one.name in ("swarm/push_sum", "swarm/async_gossip") or (
        one.name in KEEP_THE_MEAN and not (one_way and one.name not in ("swarm/pairwise", "swarm/choco"))
    )
    if one.once and t and conserved and abs(now[1] - then[1]) > TOLERANCE:
        yield f"the sum of models went from {then[1]} to {now[1]}"


def weighed(name: str, state: dict, n: int, done: int) -> tuple[float, float]:
    """(sum of the masses, sum of mass times model) of everybody and of what is on its way; masses are 1 elsewhere."""
    if not name.startswith("swarm/"):
        return n, 0.0
    field = {"swarm/push_sum": "masses", "swarm/async_gossip": "mass"}.get(name)
    mass = [state[f"{field}/{i}"].item() if field else 1.0 for i in range(n)]
    rows = [state[f"members/{i}"]["weights"]["params"].double().sum().item() for i in range(n)]
    total, moment = sum(mass), float(np.dot(mass, rows))
    for i, _, when, _ in state.get("flying", ()):
        total += state[f"sent/{i}"]["mass"][done - 1 - when].item()
        moment += state[f"sent/{i}"]["params"][done - 1 - when].double().sum().item()
    return total, moment
