"""TensorBoard's writer threads end in silence when the disk is full: the error is raised again at the next write."""

from __future__ import annotations

import threading
from collections.abc import Callable

__all__ = ["hush"]


def hush() -> None:
    """From now on a writer thread that cannot write prints no traceback; other threads do as before."""
    if not isinstance(threading.excepthook, _Hook):
        threading.excepthook = _Hook(threading.excepthook)


class _Hook:
    """What is called with an exception that a thread did not catch."""

    def __init__(self, otherwise: Callable) -> None:
        self.otherwise = otherwise

    def __call__(self, caught: threading.ExceptHookArgs) -> None:
        module = type(caught.thread).__module__
        if not (isinstance(caught.exc_value, OSError) and module == "tensorboard.summary.writer.event_file_writer"):
            self.otherwise(caught)
