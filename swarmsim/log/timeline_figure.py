"""The first rounds of a run as a figure: for every participant a bar of what it did, and two of its lines below."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from swarmsim.clock.trace_events import on_line
from swarmsim.clock.words import in_seconds
from swarmsim.log.figures import LABELLED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from swarmsim.clock.account import Account
    from swarmsim.clock.clock import Clock

__all__ = ["timeline_figure"]

LOOKS = {  # what: colour, in words, and where in the lane of a participant
    "compute": ("#0072b2", "computing", (-0.4, 0.5)),
    "wait": ("#dddddd", "waiting for a message", (-0.4, 0.5)),
    "hold": ("#e69f00", "waiting for others to come", (-0.4, 0.5)),
    "rest": ("#555555", "away", (-0.4, 0.5)),
    "up": ("#d55e00", "sending", (0.13, 0.12)),
    "down": ("#009e73", "receiving", (0.28, 0.12)),
}
ROUNDS = 3
BARS = 4_000  # pieces of bars in a figure: more would take seconds to draw, and show nothing


def timeline_figure(account: Account) -> Figure | None:
    """Three rounds, or as much of them as the timeline and 4,000 pieces of bars hold; None where no time passed."""
    clock = account.clock
    end = _until(clock)
    if not end:
        return None
    from matplotlib.figure import Figure

    n = len(clock.names)
    figure = Figure(figsize=(10.0, min(9.0, 1.6 + 0.32 * n)), layout="constrained")
    axes = figure.add_subplot()
    for what, (colour, words, (above, height)) in LOOKS.items():
        bars = _bars(account, what, end)
        for who, spans in bars.items():
            axes.broken_barh(spans, (who + above, height), facecolors=colour, linewidth=0)
        if bars:
            axes.broken_barh([], (0, 0), facecolors=colour, label=words)
    for moment in clock.moments[: bisect_right(clock.moments, end)]:
        axes.axvline(moment, color="black", linewidth=0.6, linestyle=":")
    if n <= LABELLED:
        axes.set_yticks(range(n), clock.names, fontsize=8)
    axes.set_xlim(0, end)
    axes.set_ylim(n - 0.5, -0.5)
    axes.set_xlabel("simulated seconds; dotted: a round is over")
    axes.set_title(f"The first {in_seconds(end)} of {in_seconds(clock.moments[-1])}")
    axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def _until(clock: Clock) -> float:
    """The end of what is drawn."""
    if not clock.moments:
        return 0.0
    end = min(clock.shown, clock.moments[min(ROUNDS, len(clock.moments)) - 1])
    ends = sorted(stretch.end for _, stretch, _ in clock.timeline if stretch.end <= end)
    return ends[BARS - 1] if len(ends) > BARS else end


def _bars(account: Account, what: str, end: float) -> dict[int, list[tuple[float, float]]]:
    """{participant: [(from, length)]} of one kind of stretch, or of the messages on lines up or down."""
    if what in ("up", "down"):
        arrived = [each for each in account.messages if each.arrived is not None]
        spans = [(each.src, *on_line(each, 0)) if what == "up" else (each.dst, *on_line(each, -1)) for each in arrived]
    else:
        spans = [(who, each.begin, each.end) for who, each, _ in account.clock.timeline if each.what == what]
    found: dict[int, list[tuple[float, float]]] = {}
    for who, begin, over in spans:
        if begin < end:
            found.setdefault(who, []).append((begin, min(over, end) - begin))
    return found
