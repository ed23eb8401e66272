"""gossipy-dfl's rounds on a ring; run by peers.py in an environment that has it.

Each institution sends its model to one neighbour; who receives one averages it with its own and trains for an epoch.
"""

from __future__ import annotations

import networkx
import torch
from gossipy.core import AntiEntropyProtocol, CreateModelMode, StaticP2PNetwork
from gossipy.data import DataDispatcher
from gossipy.data.handler import ClassificationDataHandler
from gossipy.model import TorchModel
from gossipy.model.handler import TorchModelHandler
from gossipy.node import GossipNode
from gossipy.simul import GossipSimulator
from peer import BATCH, INSTITUTIONS, LR, ROUNDS, examples, gate, model


class Whole(TorchModel):
    """The model as this library wants it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = model()

    def init_weights(self) -> None:
        pass

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layers(x)


def handler() -> TorchModelHandler:
    return TorchModelHandler(
        Whole(), torch.optim.SGD, {"lr": LR}, torch.nn.CrossEntropyLoss(), local_epochs=1, batch_size=BATCH,
        create_model_mode=CreateModelMode.MERGE_UPDATE, copy_model=False,
    )  # fmt: skip


if __name__ == "__main__":
    torch.set_num_threads(1)
    ring = StaticP2PNetwork(INSTITUTIONS, networkx.to_numpy_array(networkx.cycle_graph(INSTITUTIONS)))
    nodes = {i: GossipNode(i, (examples(i), None), 1, handler(), ring) for i in range(INSTITUTIONS)}
    nobody = DataDispatcher(ClassificationDataHandler(*examples(0), test_size=0), 2, eval_on_user=False)
    simulator = GossipSimulator(nodes, nobody, delta=1, protocol=AntiEntropyProtocol.PUSH)
    simulator.init_nodes()
    for _ in range(ROUNDS):
        gate()
        simulator.start(1)
    gate()
