"""A clock of two participants by hand: A computes and sends to B, which computes, waits for it and computes again."""

from __future__ import annotations

from itertools import repeat

import numpy as np

from swarmsim.clock.account import Account
from swarmsim.clock.clock import Clock
from swarmsim.clock.lines import Line, Network
from swarmsim.clock.operations import Compute, Program, Send, Wait
from swarmsim.clock.pace import Pace
from swarmsim.clock.times import Times
from swarmsim.clock.wires import wires

__all__ = ["a_clock"]

PROGRAM = Program(((Compute(5), Send(0, 1, 8, "weights")), (Compute(4), Wait(0), Compute(3))))
LINES = {"A": Line(up=2.0, down=100.0), "B": Line(up=100.0, down=4.0)}


def a_clock(rounds=2, program=PROGRAM, names=("A", "B")) -> Account:
    """1 FLOP/s; a message of 8 bytes is 4 s on A's uplink, 0.5 s late, and 2 s of the end on B's downlink.

    Round 1: A computes until 5 and is ahead; its message arrives at 9.5; B computes until 4, waits, and ends at 12.5.
    Round 2: A has computed until 10, its message arrives at 14.5; B computes until 16.5 and again until 19.5.
    """
    network = Network(preset=None, latency=0.25, up=100.0, down=100.0, participants=LINES if "A" in names else {})
    times = Times(np.ones(len(names)), Pace(), 2, (1,) * len(names), None, 0)
    return Account(Clock(repeat(program).__next__, rounds, names, wires(network, names, 0), times))
