"""What the driver asks of a runtime, whatever carries the hosts; and the inline runtime, one host in this process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, Self

import numpy as np

from swarmsim.rows import Weights
from swarmsim.runtime.host import LOSS, Diverged, Evaluation, Host, Outcome
from swarmsim.runtime.world import Job
from swarmsim.types import Merge, SwarmsimError, Traffic

__all__ = ["HostLost", "Inline", "NobodyElse", "Round", "Runtime", "added", "joined"]


class HostLost(SwarmsimError):
    """A host died. What it computed can be computed again: rounds are pure functions of state and seed."""


@dataclass(frozen=True)
class Round:
    """One round as all hosts together saw it; losses and notes in the order of the participants."""

    round: int
    losses: dict[str, float]
    traffic: tuple[Traffic, ...]
    merges: tuple[Merge, ...]
    seconds: float  # wall, of the slowest host
    notes: dict[tuple[str, str], float]  # (who, metric) -> value
    order: tuple[int, ...]  # institutions in the order of their turns, where they take turns
    turns: dict[tuple[int, int], np.ndarray]  # (turn, institution) -> outputs on its test part


class Runtime(Protocol):
    """Carries the hosts of a study; `start` gives them the next method's job."""

    def start(self, job: Job) -> None: ...

    def restart(self) -> None: ...  # fresh hosts after a HostLost; a job has to be started again

    def advance(self, first: int, last: int) -> list[Round]: ...

    def predict(self, round_: int, pooled: tuple[int, ...], merged: bool) -> Evaluation: ...

    def save(self) -> dict[str, Any]: ...

    def load(self, saved: dict[str, Any]) -> None: ...

    def models(self) -> dict[int, Weights]: ...

    def parts(self) -> dict[str, dict[int, Weights]]: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...


class Inline:
    """Everything in this process, one institution after another (or packed): the reference."""

    def start(self, job: Job) -> None:
        places = {kind: tuple(0 for _ in members) for kind, members in job.hosts.items()}
        self._host = Host(dataclasses.replace(job, hosts=places), 0, NobodyElse())

    def restart(self) -> None:
        """Nothing to do: the one host lives and dies with this process."""

    def advance(self, first: int, last: int) -> list[Round]:
        return joined([self._host.advance(first, last)], self._host.job.names)

    def predict(self, round_: int, pooled: tuple[int, ...], merged: bool) -> Evaluation:
        return self._host.predict(round_, pooled, merged)

    def save(self) -> dict[str, Any]:
        return self._host.save()

    def load(self, saved: dict[str, Any]) -> None:
        self._host.load(saved)

    def models(self) -> dict[int, Weights]:
        return self._host.models()

    def parts(self) -> dict[str, dict[int, Weights]]:
        return self._host.parts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass


class NobodyElse:
    """The transport of a host that has no peers."""

    def send(self, host: int, tree: Any) -> NoReturn:
        raise RuntimeError(f"there is no host {host}")

    receive = send


def joined(outcomes: Iterable[list[Outcome]], names: tuple[str, ...]) -> list[Round]:
    """The hosts' outcomes, round by round; raises Diverged for the first institution that broke in the first round.

    Of those that broke, one whose own loss is no number is named before those that may have it from their neighbours.
    """
    rounds = []
    for together in zip(*outcomes, strict=True):
        broken = [found for outcome in together for found in outcome.broken]
        if broken:
            lost = {who for _, who, tensor in broken if tensor == LOSS}
            _, who, tensor = min(broken, key=lambda found: (found[1] not in lost, found))
            raise Diverged(
                f"diverged in round {together[0].round}: {who} has a NaN or an infinity in {tensor}. "
                "A smaller lr, or gradient steps on scaled features, usually mends this.",
                rounds,
            )
        losses = _union(outcome.losses for outcome in together)
        ordered = {name: losses[name] for name in (*names, *sorted(losses)) if name in losses}
        traffic = added(line for outcome in together for line in outcome.traffic)
        seconds = max(outcome.seconds for outcome in together)
        notes, turns = (_union(getattr(outcome, name) for outcome in together) for name in ("notes", "turns"))
        rounds.append(
            Round(
                together[0].round,
                ordered,
                tuple(traffic),
                tuple(together[0].merges),
                seconds,
                dict(sorted(notes.items())),
                tuple(together[0].order),
                dict(sorted(turns.items())),
            )
        )
    return rounds


def added(lines: Iterable[Traffic]) -> list[Traffic]:
    """Lines of several ledgers, sorted; what several hosts noted of the same two ends and kind is added up."""
    sums: dict[tuple, list[int]] = {}
    for line in lines:
        total = sums.setdefault(line[:4], [0, 0])
        total[0] += line.messages
        total[1] += line.bytes
    return [Traffic(*key, *total) for key, total in sorted(sums.items())]


def _union(parts: Iterable[dict]) -> dict:
    return {key: value for part in parts for key, value in part.items()}
