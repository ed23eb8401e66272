"""fluke-fl's gossip on its (directed) ring; run by peers.py in an environment that has it.

In turn, each institution averages what it was sent since its last turn with its model, trains for an epoch and sends
the result to its neighbour; who was sent nothing does not train.
"""

from __future__ import annotations

import torch
from fluke import DDict
from fluke.algorithms.decentralized import GossipDFL, Topology
from fluke.data import FastDataLoader
from fluke.utils import FederationObserver
from peer import BATCH, INSTITUTIONS, LR, ROUNDS, examples, gate, model


class Ready:
    """Data that is divided already, in the place of a data splitter."""

    def assign(self, n: int, batch: int) -> tuple:
        loaders = [FastDataLoader(*examples(i), num_labels=10, batch_size=batch, shuffle=True) for i in range(n)]
        return (loaders, [None] * n), None


class Gate(FederationObserver):
    """Waits between two rounds."""

    def start_round(self, round: int, global_model: object) -> None:
        gate()


CLIENT = {
    "batch_size": BATCH, "local_epochs": 1, "loss": "CrossEntropyLoss", "policy": "aggregate",
    "optimizer": {"name": "SGD", "lr": LR}, "scheduler": {"name": "StepLR", "step_size": 1, "gamma": 1},
}  # fmt: skip

if __name__ == "__main__":
    torch.set_num_threads(1)
    arguments = DDict(client=DDict(**CLIENT), model=model())
    federation = GossipDFL(INSTITUTIONS, Ready(), arguments, Topology.ring(INSTITUTIONS))
    federation.set_callbacks(Gate())
    federation.run(ROUNDS)
    gate()
