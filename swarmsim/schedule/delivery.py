"""What happens to single messages on the way: attempts that are lost, copies that arrive twice, and hold-ups."""

from __future__ import annotations

from dataclasses import dataclass, field

from swarmsim.rng import seed_for
from swarmsim.schedule.faults import Faults, LinkLoss
from swarmsim.types import InputError

__all__ = ["Delivery"]

Link = tuple[str, str]


@dataclass(frozen=True)
class Delivery:
    """How often and how late a message arrives; receivers take each one once and in order, so no result depends on it.

    Messages are known by their round (from 1), their two ends, and k, which of the messages over that link in that
    round (from 0): every number belongs to such an address, whoever asks first. `loss` is None where lost messages
    stay lost.
    """

    seed: int
    loss: LinkLoss | None = None
    duplication: float = 0.0
    held_up: float = 0.0  # probability
    seconds: float = 0.0
    _bad: dict[Link, list[bool]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, faults: Faults | None, seed: int, resends: bool) -> Delivery | None:
        """What `faults` do to messages; None where they do nothing. InputError for a loss of every attempt."""
        if faults is None:
            return None
        loss = faults.link_loss if resends else None
        if loss is not None and _certain(loss):
            raise InputError(
                "faults.link_loss: every attempt is lost, and the method sends a message until it arrives; write a "
                "probability below 1"
            )
        if loss is None and not faults.duplication and faults.reordering is None:
            return None
        held_up, seconds = (faults.reordering.probability, faults.reordering.seconds) if faults.reordering else (0, 0)
        return cls(seed, loss, faults.duplication, held_up, seconds)

    def lost(self, round_: int, src: str, dst: str, k: int = 0) -> int:
        """How many attempts of a message fail before one arrives.

        Each fails with the link's probability; in bursts the link goes on between attempts as it does between rounds,
        from the state in which it is in this round, so that a bad one does not stay so. With `symmetric` the k-th
        messages in both directions have the same fate.
        """
        loss = self.loss
        if loss is None:
            return 0
        link = (src, dst) if not loss.symmetric or src <= dst else (dst, src)
        bad, attempts = loss.use == "gilbert_elliott" and self._state(link, round_), 0
        while self._draw("resent", round_, *link, k, attempts) < _chance(loss, bad):
            bad = loss.use == "gilbert_elliott" and self._turned(bad, "turned", round_, *link, k, attempts)
            attempts += 1
        return attempts

    def copies(self, round_: int, src: str, dst: str, k: int = 0) -> int:
        """How many copies of a message arrive behind it."""
        return int(self.duplication > 0 and self._draw("copies", round_, src, dst, k) < self.duplication)

    def late(self, round_: int, src: str, dst: str, k: int = 0) -> float:
        """For how many seconds a message is held up, while others overtake it."""
        return self.seconds if self.held_up and self._draw("held_up", round_, src, dst, k) < self.held_up else 0.0

    def _state(self, link: Link, round_: int) -> bool:
        """Whether a link is bad in a round: a Markov chain over the rounds that starts in its stationary state."""
        states, loss = self._bad.setdefault(link, []), self.loss
        while len(states) < round_:
            if states:
                states.append(self._turned(states[-1], "link", len(states), *link))
            else:
                states.append(self._draw("link", 0, *link) < loss.to_bad / (loss.to_bad + loss.to_good))
        return states[round_ - 1]

    def _turned(self, bad: bool, *address: int | str) -> bool:
        return self._draw(*address) < (1 - self.loss.to_good if bad else self.loss.to_bad)

    def _draw(self, purpose: str, *address: int | str) -> float:
        """A number in [0, 1) for an address."""
        return seed_for(self.seed, f"delivery_{purpose}", *address) * 2.0**-63


def _chance(loss: LinkLoss, bad: bool) -> float:
    if loss.use == "independent":
        return loss.probability
    return loss.lost_bad if bad else loss.lost_good


def _certain(loss: LinkLoss) -> bool:
    """Whether no attempt ever arrives."""
    return all(_chance(loss, bad) == 1 for bad in (False, True))
