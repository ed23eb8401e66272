"""Values that remember where they were written, and how one document inherits from another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["Node", "Place", "Source", "merge"]

CARRIED = {"runtime": ("dtype", "device")}  # what every `use` of a section takes, so a changed `use` keeps it


@dataclass(frozen=True, eq=False)
class Source:
    """A file, or an option of the command line such as `--set rounds=3`."""

    name: str
    lines: tuple[str, ...] = ()
    option: bool = False


class Place(NamedTuple):
    """Line and column count from 1; line 0 means the whole source."""

    source: Source
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        precise = self.line and not self.source.option
        return f"{self.source.name}:{self.line}:{self.column}" if precise else self.source.name

    @property
    def origin(self) -> str:
        """Where a value came from, for `swarmsim check`: `file:line` or the option."""
        return self.source.name if self.source.option else f"{self.source.name}:{self.line}"


class Node(NamedTuple):
    """A scalar, a `dict[str, Node]` or a `list[Node]`; `key` is the place of what introduces it."""

    value: Any
    at: Place
    key: Place

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    def get(self, part: str | int) -> Node | None:
        """The entry of a mapping or the item of a list."""
        if isinstance(self.value, dict):
            return self.value.get(part)
        if isinstance(self.value, list) and isinstance(part, int) and 0 <= part < len(self.value):
            return self.value[part]
        return None

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def all(self) -> Iterator[Node]:
        """This node and every node inside it."""
        yield self
        inside = self.value.values() if self.is_mapping else self.value if isinstance(self.value, list) else ()
        for node in inside:
            yield from node.all()


def merge(base: Node, over: Node, key: str = "") -> Node:
    """`over` on top of `base`: mappings merge deeply, lists replace, a changed `use` replaces its whole section."""
    if not (base.is_mapping and over.is_mapping):
        return over
    kept = base.value
    if _use(base) and _use(over) and _use(base) != _use(over):
        kept = {name: base.value[name] for name in CARRIED.get(key, ()) if name in base.value}
    merged = {name: merge(kept[name], node, name) if name in kept else node for name, node in over.value.items()}
    return Node({**kept, **merged}, over.at, over.key)


def _use(section: Node) -> Any:
    use = section.get("use")
    return use.value if use and isinstance(use.value, str) else None
