"""Sections in which `use` decides what else is read."""

from __future__ import annotations

from collections.abc import Collection

from swarmsim.types import Arguments

__all__ = ["check_choice"]


def check_choice(given: Arguments, section: str, needs: Collection[str], reads: Collection[str] = ()) -> None:
    """Refuse what `use` does not read, and the absence of what it needs (ValueError, for a validator)."""
    missing = [name for name in needs if getattr(given, name) is None]
    if missing:
        raise ValueError(f"{section} {given.use} needs {', '.join(missing)}")
    fields = {name: field for name, field in type(given).model_fields.items() if name not in {"use", *needs, *reads}}
    ignored = [name for name, field in fields.items() if getattr(given, name) != field.default]
    if ignored:
        raise ValueError(f"{section} {given.use} does not read {', '.join(ignored)}: leave it out")
