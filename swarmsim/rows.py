"""Models as rows: the parameters of a chain of stages, laid out in one flat vector.

A model is an ordered list of named stages. Its parameters are one row `[d]`, stage after stage, so that a
part of the model (a bottom, a trunk, a head) is a slice of the row, and composing parts is concatenation.
Rows may carry a leading axis of institutions `[m, d]`; then everything is computed for all m at once.

Shapes: d parameters, b float buffers, c integer counters (BatchNorm's number of batches); m institutions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from swarmsim.lazy import torch
from swarmsim.rng import seed_for
from swarmsim.stages import draws_numbers, sound
from swarmsim.trees import settled
from swarmsim.types import InputError

__all__ = ["Network", "Segment", "Slot", "Weights", "build", "resolve_cut"]

Weights = dict[str, Any]  # {"params": [d], "buffers": [b], "counters": [c]}


@dataclass(frozen=True)
class Slot:
    """Where one named tensor lives in its row."""

    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        size = 1
        for side in self.shape:
            size *= side
        return size


class _Tensors:
    """One kind of tensor (parameters, float buffers, counters) of a few stages, as a row."""

    def __init__(self, stages: list[tuple[str, torch.nn.Module]], table: str, wanted: Callable) -> None:
        self.owners, self.slots, offset = [], [], 0
        for stage, module in stages:
            for prefix, owner in module.named_modules():
                for key, tensor in getattr(owner, table).items():
                    if tensor is None or not wanted(tensor):
                        continue
                    name = ".".join(part for part in (stage, prefix, key) if part)
                    self.owners.append((getattr(owner, table), key))
                    self.slots.append(Slot(name, tuple(tensor.shape), offset))
                    offset += self.slots[-1].size
        self.size = offset
        self._sizes = [slot.size for slot in self.slots]
        self._shapes = [slot.shape for slot in self.slots]

    def read(self) -> torch.Tensor:
        """A row [size] with what the modules hold now."""
        held = [table[key].detach().reshape(-1) for table, key in self.owners]
        return torch.cat(held) if held else torch.zeros(0)

    def bind(self, row: torch.Tensor) -> None:
        """Let the modules compute with views of `row` [size]: gradients flow back, statistics move in place."""
        if not self.size:
            return
        for (table, key), piece, shape in zip(self.owners, row.split(self._sizes), self._shapes, strict=True):
            table[key] = piece.view(shape)


class Segment:
    """A run of consecutive stages with its rows: a whole model, a bottom, a trunk or a head."""

    def __init__(self, stages: list[tuple[str, torch.nn.Module]], first: int, initial: Weights | None) -> None:
        self.stages, self.first = stages, first
        self.params = _Tensors(stages, "_parameters", lambda tensor: True)
        self.buffers = _Tensors(stages, "_buffers", torch.is_floating_point)
        self.counters = _Tensors(stages, "_buffers", lambda tensor: not torch.is_floating_point(tensor))
        params = self.params.read()
        self._initial = initial or {
            "params": params,
            "buffers": self.buffers.read() if self.buffers.size else params.new_zeros(0),
            "counters": self.counters.read() if self.counters.size else params.new_zeros(0, dtype=torch.int64),
        }
        self.draws = [draws_numbers(module) for _, module in stages]

    @property
    def stochastic(self) -> bool:
        """Whether a forward pass in training mode draws random numbers (dropout)."""
        return any(self.draws)

    def initial(self) -> Weights:
        """The weights the stages were built with."""
        return {kind: row.clone() for kind, row in self._initial.items()}

    def bind(self, weights: Weights, train: bool) -> None:
        """Let the stages compute with these rows, in training or evaluation mode."""
        self.params.bind(weights["params"])
        self.buffers.bind(weights["buffers"])
        self.counters.bind(weights["counters"])
        for _, module in self.stages:
            module.train(train)

    def forward(
        self, weights: Weights, x: torch.Tensor, train: bool, seed: tuple | None = None, packed: bool = False
    ) -> tuple:
        """(output, weights after the pass) of one institution: x [B, ...] -> [B, ...].

        In training mode BatchNorm's statistics move; the given weights are never written to. `seed` addresses
        the numbers that dropout draws: each stage has its own stream, so a cut anywhere draws the same ones. Between
        stages images have the layout of a message, as if there were a cut; not so if `packed`: within vmap, which
        knows no layouts.
        """
        after = weights
        if train and self.buffers.size:
            moving = {kind: weights[kind].clone() for kind in ("buffers", "counters")}
            after = {"params": weights["params"], **moving}
        self.bind(after, train)
        for place, (_, module) in enumerate(self.stages):
            if train and self.draws[place]:
                torch.manual_seed(seed_for(*seed, self.first + place))
            x = module(x if packed else settled(x))
        return x, after


class Network(Segment):
    """A whole model; `segment(a, b)` is its stages a..b-1, sharing nothing with it but their initial values."""

    def __init__(self, stages: list[tuple[str, torch.nn.Module]]) -> None:
        super().__init__(stages, 0, None)
        self.names = tuple(name for name, _ in stages)
        self._segments: dict[tuple[int, int], Segment] = {}

    def segment(self, first: int, last: int) -> Segment:
        if (first, last) not in self._segments:
            self._segments[first, last] = Segment(self.stages[first:last], first, self._slice(first, last))
        return self._segments[first, last]

    def _slice(self, first: int, last: int) -> Weights:
        """The part of the initial rows that belongs to stages first..last-1."""
        inside = {name for name, _ in self.stages[first:last]}
        rows = {}
        for kind, row in self._initial.items():
            slots = [slot for slot in getattr(self, kind).slots if slot.name.split(".")[0] in inside]
            rows[kind] = row[slots[0].offset : slots[-1].offset + slots[-1].size] if slots else row[:0]
        return rows

    def layout(self) -> list[dict]:
        """Names, shapes and offsets of the whole row, for layout.json."""
        rows = (("params", self.params), ("buffers", self.buffers), ("counters", self.counters))
        return [
            {"row": kind, "name": slot.name, "shape": list(slot.shape), "offset": slot.offset}
            for kind, tensors in rows
            for slot in tensors.slots
        ]

    def tensor_at(self, position: int) -> str:
        """The name of the parameter tensor that holds `position` of the row."""
        return next(slot.name for slot in reversed(self.params.slots) if slot.offset <= position)


def build(stages: Callable[[], list], seed: int, dtype: torch.dtype, device: str = "cpu") -> Network:
    """The network of a model's stages, initialised from the run's seed alone and whole, before any cut.

    Raises InputError naming a stage that cannot be a part of a row.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_for(seed, "init"))
        named = sound(stages())
    return Network([(name, module.to(device, dtype)) for name, module in named])


def resolve_cut(cut: int | str, names: tuple[str, ...]) -> int:
    """How many stages lie before a cut that is given as a count or as the first stage behind it."""
    if isinstance(cut, str):
        if cut not in names[1:]:
            raise InputError(f"cut: no stage {cut!r} to cut before; stages: {', '.join(names)} (not the first)")
        return names.index(cut)
    if not 0 < cut < len(names):
        raise InputError(f"cut: {cut} leaves a part empty; allowed: 1 to {len(names) - 1} of {', '.join(names)}")
    return cut
