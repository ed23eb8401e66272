"""How long participants compute: work in FLOPs, speeds in FLOP/s, and what makes a round slower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swarmsim.clock.pace import Pace, factors, rates

__all__ = ["Times", "times"]


@dataclass
class Times:
    """Seconds of work: FLOPs / rate_i x factor_ti.

    work: FLOPs of training the whole model on one example; sizes: examples of each institution; batch: of a step
    (None: all of them); slowdown [rounds, n]: factors by which stragglers take longer (None: nobody straggles).
    """

    rates: np.ndarray
    pace: Pace
    work: float
    sizes: Sequence[int]
    batch: int | None
    seed: int
    slowdown: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._factors: tuple[int, np.ndarray | None] = (-1, None)

    def seconds(self, t: int, who: int, flops: float) -> float:
        """Of work in round t at a participant."""
        factor = self.factor(t)
        return flops / self.rates[who] * (1.0 if factor is None else factor[who])

    def factor(self, t: int) -> np.ndarray | None:
        """By which everybody's seconds are longer in round t [participants]; None: by nothing."""
        if self._factors[0] != t:
            found = factors(self.pace, len(self.rates), t, self.seed)
            if self.slowdown is not None:
                straggling = np.ones(len(self.rates))
                straggling[: len(self.sizes)] = self.slowdown[t]
                found = straggling if found is None else found * straggling
            self._factors = (t, found)
        return self._factors[1]

    def of_a_step(self, rounds: int) -> np.ndarray:
        """Seconds of a step on a full batch at each institution [rounds, n]."""
        return self._over_rounds(np.array([self._examples(i, 1) for i in range(len(self.sizes))]), rounds)

    def of_training(self, steps: np.ndarray) -> np.ndarray:
        """Seconds of so many steps at each institution, for steps [rounds, n]."""
        counted: dict[tuple[int, int], int] = {}
        for i in range(len(self.sizes)):
            for k in np.unique(steps[:, i]).tolist():
                counted[i, k] = self._examples(i, k)
        examples = [[counted[i, k] for i, k in enumerate(row)] for row in steps.tolist()]
        return self._over_rounds(np.array(examples, dtype=float), len(steps))

    def _over_rounds(self, examples: np.ndarray, rounds: int) -> np.ndarray:
        n = len(self.sizes)
        found = np.broadcast_to(self.work * examples / self.rates[:n], (rounds, n)).copy()
        for t in range(rounds):
            if (factor := self.factor(t)) is not None:
                found[t] *= factor[:n]
        return found

    def _examples(self, i: int, steps: int) -> int:
        """Examples in the first steps of an institution; the last batch of an epoch may be ragged."""
        size = self.sizes[i]
        if not size:
            return 0
        batch = min(self.batch or size, size)
        epoch = -(-size // batch)
        whole, rest = divmod(steps, epoch)
        return whole * size + min(size, rest * batch)


def times(
    pace: Pace, names: Sequence[str], work: float, sizes: Sequence[int], batch: int | None, seed: int,
    slowdown: np.ndarray | None = None,
) -> Times:  # fmt: skip
    """The times of participants, of whom the first have `sizes` examples and the others, servers, have none.

    A server's full batch is that of the institutions, or the largest shard.
    """
    largest = batch or max(sizes)
    batches = [min(batch or size, size) or 1 for size in sizes] + [largest] * (len(names) - len(sizes))
    return Times(rates(pace, names, work, batches, seed), pace, work, tuple(sizes), batch, seed, slowdown)
