"""What to type and where to click, printed at the end of a run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from urllib.parse import quote

__all__ = ["command", "deep_link"]


def command(out: Path | str) -> str:
    """The line that starts TensorBoard on a run, with as many points and pictures as were written."""
    return f"tensorboard --logdir {shlex.quote(str(out))} --samples_per_plugin images=500,scalars=10000"


def deep_link(metric: str, port: int = 6006) -> str:
    """The page on which a metric is pinned and an institution has one colour in all methods' runs."""
    pinned = json.dumps([{"plugin": "scalars", "tag": f"test/{metric}"}], separators=(",", ":"))
    colours = quote("regex:([^/]+)$", safe="")
    return (
        f"http://localhost:{port}/?runColorGroup={colours}&pinnedCards={quote(pinned, safe='')}&smoothing=0#timeseries"
    )
