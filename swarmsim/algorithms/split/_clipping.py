"""Gradient clipping where the gradient lies in several places."""

from __future__ import annotations

from typing import Any

from swarmsim.lazy import torch
from swarmsim.local.clipping import clip_factor, square
from swarmsim.network.located import Located

__all__ = ["clipped"]


def clipped(route: Any, gradients: dict[str, Located]) -> dict[str, Located]:
    """The gradients of a step with norms of at most `clip`: `part`, each part by itself; `global`, all together.

    g <- g min(1, clip / (|g| + 1e-6)). For the global norm every holder sends its sum of squares to the part above
    the first cut, and gets the factor back: two numbers a holder, counted as control messages.
    """
    method, chain = route.method, route.chain
    if method.clip is None:
        return gradients
    squares = {link.name: route.group(link).each(lambda m, g: square(g), gradients[link.name]) for link in chain}
    if method.clip_norm == "part":
        factors = {
            link.name: route.group(link).each(lambda m, s: clip_factor([s], method.clip), squares[link.name])
            for link in chain
        }
    else:
        factors = _joint(route, squares)
    return {
        link.name: route.group(link).each(lambda m, g, f: g * f, gradients[link.name], factors[link.name])
        for link in chain
    }


def _joint(route: Any, squares: dict[str, Located]) -> dict[str, Located]:
    """The factor of the norm of all parts together, at the holders of each."""
    chain, meeting = route.chain, route.chain[1]
    own = route.institutions.each(lambda i, *mine: torch.cat(mine), *(squares[link.name] for link in chain.own))
    shared = [link for link in chain if not link.own]
    arrived = [route.carry(own, chain[0], meeting, "control")]
    for link in shared:
        values = route.group(link).each(lambda m, s: [s], squares[link.name])
        arrived.append(values if link is meeting else route.carry(values, link, meeting, "control"))

    def factor(m: int, *found: list[torch.Tensor]) -> torch.Tensor:
        return clip_factor([each for pieces in found for piece in pieces for each in piece.split(1)], route.method.clip)

    here = route.group(meeting).each(factor, *arrived)
    to_all = route.group(meeting).each(lambda m, f: [f] * len(route.who), here)
    back = route.carry(to_all, meeting, chain[0], "control")
    factors = {link.name: back for link in chain.own} | {meeting.name: here}
    return factors | {link.name: route.carry(here, meeting, link, "control") for link in shared if link is not meeting}
