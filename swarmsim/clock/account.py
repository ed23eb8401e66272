"""What a run has cost by the clock, round after round: seconds, FLOPs, idle time, and the messages of its beginning."""

from __future__ import annotations

from typing import Any

from swarmsim.clock.clock import KEPT, Clock
from swarmsim.clock.operations import Program
from swarmsim.clock.simulation import Journey
from swarmsim.clock.words import waited_for

__all__ = ["Account"]


class Account:
    """Follows a clock from its first round; a resumed run follows it from there too, and finds the same.

    flops: of each participant since the run began; totals[k]: those of all participants until round k is over.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock, self.names = clock, clock.names
        self.flops, self.totals = [0] * len(clock.names), [0]
        self.messages: list[Journey] = []
        self._last: tuple[Program | None, list[int]] = (None, [])

    @property
    def rounds(self) -> int:
        """How many of them are over."""
        return len(self.totals) - 1

    def until(self, rounds: int) -> None:
        """So many rounds are over."""
        while self.rounds < rounds:
            t = self.rounds
            self.clock.until(t)
            for who, each in enumerate(self._flops(t)):
                self.flops[who] += each
            self.totals.append(sum(self.flops))
            if len(self.messages) < KEPT:
                self.messages += self.clock.messages(t)

    def _flops(self, t: int) -> list[int]:
        program = self.clock.program(t)
        if program is not self._last[0]:
            self._last = program, list(self.clock.flops(t).values())
        return self._last[1]

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return self.clock.moments[self.rounds - 1] if self.rounds else 0.0

    @property
    def round_seconds(self) -> float:
        """Of the last round."""
        return self.seconds - (self.clock.moments[self.rounds - 2] if self.rounds > 1 else 0.0)

    def summary(self) -> dict[str, Any]:
        """{"seconds", "idle": {name: share}, "critical_path": [{"what", "share"}], "words"} of the rounds so far."""
        path = [{"what": what, "share": share} for what, share in self.clock.causes()]
        words = waited_for(self.clock.path, self.names)
        return {"seconds": self.seconds, "idle": self.clock.idle(), "critical_path": path, "words": words}
