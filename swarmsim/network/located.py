"""Located values: what each member of a group holds, as far as this host holds it.

A method is one program over located values. Every host runs the whole program and carries out the part of it
that happens at its own members; a value that lives elsewhere is simply absent here.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any

from swarmsim.trees import nbytes, signature, stack, tree_map, unstack

__all__ = ["Group", "Located"]

Block = tuple[tuple[int, ...], Any]  # members, and one tree with their values stacked along the first axis


class Located:
    """One tree a member: `values[i]`, and stacked for members whose trees have the same shapes.

    Values that are on their way are what `later` returns, which is called when they are first looked at.
    """

    def __init__(
        self,
        values: dict[int, Any] | None = None,
        blocks: list[Block] | None = None,
        later: Callable[[], dict[int, Any] | list[Block]] | None = None,
    ) -> None:
        self._values, self._blocks, self._later = values, blocks, later

    @property
    def values(self) -> dict[int, Any]:
        """Member -> tree, members ascending."""
        self._settle()
        if self._values is None:
            pairs = [
                pair
                for members, tree in self._blocks
                for pair in zip(members, unstack(tree, len(members)), strict=True)
            ]
            self._values = dict(sorted(pairs, key=lambda pair: pair[0]))
        return self._values

    @property
    def blocks(self) -> list[Block]:
        """The same values packed: members with equal shapes share one tree."""
        self._settle()
        if self._blocks is None:
            alike: dict[Hashable, list[int]] = {}
            for member, tree in self.values.items():
                alike.setdefault(signature(tree), []).append(member)
            self._blocks = [(tuple(who), stack([self._values[i] for i in who])) for who in alike.values()]
        return self._blocks

    @property
    def held(self) -> list[Block]:
        """The same values as they lie: packed, or one member's tree after another; to look at all tensors at once."""
        self._settle()
        if self._blocks is not None:
            return self._blocks
        return [((member,), tree) for member, tree in self.values.items()]

    def stacked(self, members: tuple[int, ...]) -> Any:
        """One tree with the values of some members, which have equal shapes, stacked; as it lies where there is one."""
        self._settle()
        if self._blocks is None or len(self._blocks) != 1:
            return stack([self.values[i] for i in members])
        here, tree = self._blocks[0]
        if here == members:
            return tree
        places = {i: place for place, i in enumerate(here)}
        return tree_map(lambda tensor: tensor[[places[i] for i in members]], tree)

    def sizes(self) -> dict[int, int]:
        """Bytes of each member's tensors."""
        sizes = [(members, nbytes(tree) // len(members)) for members, tree in self.held]
        return {i: size for members, size in sizes for i in members}

    def __getitem__(self, key: Any) -> Located:
        """The component `key` of every member's tree (an item of a tuple, a field of a dict)."""
        return self.map(lambda tree: tree[key])

    def map(self, f: Callable) -> Located:
        """f of every member's tree; of the stacked trees where they are packed, so f works on the last axis."""
        self._settle()
        if self._values is None and self._blocks is not None:
            return Located(blocks=[(members, f(tree)) for members, tree in self._blocks])
        return Located({member: f(tree) for member, tree in self.values.items()})

    def __or__(self, newer: Located) -> Located:
        """These values, replaced by `newer` ones where a member has them."""
        return Located(dict(sorted((self.values | newer.values).items())))

    def __iter__(self) -> Iterator[int]:
        return iter(self.values)

    def _settle(self) -> None:
        """Wait for values that are on their way."""
        if self._later is not None:
            found, self._later = self._later(), None
            if isinstance(found, list):
                self._blocks = found
            else:
                self._values = found

    def __len__(self) -> int:
        self._settle()
        return len(self.values) if self._blocks is None else sum(len(members) for members, _ in self._blocks)


class Group:
    """Some participants of one kind (institutions, or copies of the server), of whom `here` live on this host."""

    def __init__(
        self, kind: str, names: tuple[str, ...], here: Iterable[int], apply: Callable, call: Callable | None = None
    ) -> None:
        """`apply(f, here, values)` carries out `map`; `call(i, f, *arguments)` one member's part of `each`."""
        self.kind, self.names, self.here, self._apply, self._call = kind, names, tuple(here), apply, call or _directly
        self.members = tuple(range(len(names)))

    def only(self, members: Iterable[int]) -> Group:
        """The sub-group of these members."""
        chosen = tuple(members)
        if chosen == self.members:
            return self
        here = frozenset(self.here)
        group = Group(self.kind, self.names, (i for i in chosen if i in here), self._apply, self._call)
        group.members = chosen
        return group

    def map(self, f: Callable, *values: Located) -> Located:
        """f acts on ONE member's trees; nothing moves.

        f must be made of tensor operations on the last axis (rows [..., d]): packed runtimes give it the rows of
        many institutions at once, with a leading axis.
        """
        return self._apply(f, self.here, values)

    def each(self, f: Callable, *values: Located) -> Located:
        """f(i, ...) is any Python function of a member's index and trees; it is never packed."""
        return Located({i: self._call(i, f, i, *(value.values[i] for value in values)) for i in self.here})


def _directly(i: int, f: Callable, *arguments: Any) -> Any:
    return f(*arguments)
