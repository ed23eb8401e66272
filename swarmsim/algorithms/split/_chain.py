"""A network cut into a chain of parts, and who holds each of them."""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from swarmsim.rows import Network, Segment, resolve_cut
from swarmsim.types import Arguments, InputError

__all__ = ["OWN", "Chain", "Link", "Stages", "institutions_of", "is_server", "parts_of", "servers_of"]

OWN = "institution"
SERVER = re.compile(r"server(-[a-z]+)?")


class Stages(Arguments):
    """Consecutive stages of the network with one owner."""

    owner: str = Field(
        min_length=1,
        description="`institution` (each holds its own), `server`, another server such as `server-b`, or the name of "
        "one institution that holds them for all",
    )
    until: int | str | None = Field(
        None, description="stages before this count, or before the stage of this name; absent in the last entry"
    )


@dataclass(frozen=True)
class Link:
    """One part of the chain. `own`: every institution holds one; else member `at` of `group` holds it.

    Where the server's part has copies, `at` is its first one and the others lie behind it. The institutions' own parts
    are alike, but for vertical data, where `branches` has the one of each.
    """

    name: str
    segment: Segment
    group: Literal["institution", "server"]
    at: int | None
    branches: tuple[Segment, ...] = ()

    @property
    def own(self) -> bool:
        return self.at is None

    def segment_of(self, m: int) -> Segment:
        """The part that member m holds."""
        return self.branches[m] if self.branches else self.segment


@dataclass(frozen=True)
class Chain:
    """The parts in the order of the forward pass; the first belongs to the institutions, who have the examples.

    `beside` are parts of the institutions that are no part of the model (an auxiliary head).
    """

    links: tuple[Link, ...]
    beside: tuple[Link, ...] = ()

    def __iter__(self) -> Iterator[Link]:
        return iter(self.links)

    def __len__(self) -> int:
        return len(self.links)

    def __getitem__(self, place: int) -> Link:
        return self.links[place]

    @property
    def own(self) -> list[Link]:
        """The parts of which every institution has one."""
        return [link for link in self.links if link.own]

    @classmethod
    def of(cls, network: Network, stages: Sequence[Stages], names: Sequence[str], copies: int) -> Chain:
        """The chain that `stages` describe, with owners looked up among the institutions' `names`."""
        servers, holders, links = servers_of(stages), institutions_of(stages, names), []
        for entry, (name, segment) in zip(stages, parts_of(network, stages).items(), strict=True):
            if is_server(entry.owner):
                links.append(Link(name, segment, "server", servers.index(entry.owner) * copies))
            else:
                links.append(Link(name, segment, "institution", holders.get(entry.owner)))
        return cls(tuple(links))


def is_server(owner: str) -> bool:
    return SERVER.fullmatch(owner) is not None


def servers_of(stages: Sequence[Stages]) -> list[str]:
    """The servers among the owners, in the order of the forward pass."""
    return list(dict.fromkeys(entry.owner for entry in stages if is_server(entry.owner)))


def institutions_of(stages: Sequence[Stages], names: Sequence[str]) -> dict[str, int]:
    """Single institutions among the owners, by name; InputError for an owner that nobody is."""
    single = [entry.owner for entry in stages if entry.owner != OWN and not is_server(entry.owner)]
    for owner in single:
        if owner not in names:
            near = difflib.get_close_matches(owner, [OWN, "server", *names], n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise InputError(
                f"stages: no owner {owner!r}{hint}; allowed: institution, server, server-b and the like, or one of "
                f"{', '.join(names)}"
            )
    return {owner: list(names).index(owner) for owner in single}


def parts_of(network: Network, stages: Sequence[Stages]) -> dict[str, Segment]:
    """The parts of a network by name: bottom, trunks between, then head (at the institutions) or top."""
    inner = [resolve_cut(entry.until, network.names) for entry in stages[:-1]]
    ends = [0, *inner, len(network.names)]
    if sorted(set(ends)) != ends:
        raise InputError(f"cut: {inner} must ascend; stages: {', '.join(network.names)}")
    segments = [network.segment(a, b) for a, b in itertools.pairwise(ends)]
    return dict(zip(_names(stages), segments, strict=True))


def _names(stages: Sequence[Stages]) -> list[str]:
    between = len(stages) - 2
    trunks = ["trunk"] if between == 1 else [f"trunk{k}" for k in range(1, between + 1)]
    return ["bottom", *trunks, "head" if stages[-1].owner == OWN else "top"]
