"""One generated schedule of faults again: python -m tests.guarantees.replay_faults SEED."""

from __future__ import annotations

import sys

from tests.guarantees.fault_case import case
from tests.guarantees.fault_laws import REFUSED, broken

__all__ = ["judged"]


def judged(seed: int) -> list[str]:
    """The laws that the case with that number breaks; [REFUSED] if it is refused; an error names its command."""
    try:
        return broken(case(seed))
    except Exception as error:
        raise AssertionError(f"{type(error).__name__} at: python -m tests.guarantees.replay_faults {seed}") from error


def main(seed: str) -> None:
    """Show the case, and what it breaks; the traceback if there is one."""
    one = case(int(seed))
    print(one)
    found = broken(one)
    print(*(found or ["all laws hold"]), sep="\n")
    sys.exit(1 if found and found != [REFUSED] else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
